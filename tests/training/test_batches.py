"""Changed batches: the same in any order of asking, of every kind of data, fresh in each epoch."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training import augment
from kerasnas.training.batches import (
    ArrayBatches,
    Change,
    ChangedBatches,
    Epoch,
    Shuffled,
    changed_dataset,
    changed_generator,
)
from kerasnas.training.targets import targets_of

MIXUP = [augment.Scale(0.1), augment.Mixup(0.5)]


def change(policy=(), classes=None, weights=None, seed=0):
    loss = "sparse_categorical_crossentropy"
    return Change(policy, classes and targets_of(loss, (None, classes)), weights, seed)


@settings(deadline=None, max_examples=40)
@given(
    samples=st.integers(1, 40),
    size=st.integers(1, 17),
    shuffle=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_sample_comes_once_in_each_epoch_with_its_target(
    samples, size, shuffle, weighted, seed
):
    x, y = {"a": np.arange(samples), "b": np.arange(samples)[:, None]}, np.arange(samples) * 2
    weights = np.arange(samples, dtype="float32") if weighted else None
    batches = ArrayBatches((x, y, weights), size, change(seed=seed), shuffle)
    for _ in range(2):
        found = [batches[place] for place in range(len(batches))]
        assert len(found) == -(-samples // size)
        a = np.concatenate([one[0]["a"] for one in found])
        assert sorted(a.tolist()) == list(range(samples))
        np.testing.assert_array_equal(np.concatenate([one[1] for one in found]), a * 2)
        assert {len(one) for one in found} == {3 if weighted else 2}
        if not shuffle:
            assert a.tolist() == list(range(samples))
        batches.on_epoch_end()


def test_a_batch_is_the_same_as_often_as_it_is_asked_for_and_fresh_in_the_next_epoch():
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    batches = ArrayBatches((x, y, None), 8, change(MIXUP, 3))
    first, last = batches[0], batches[3]
    assert [len(one[0]) for one in (first, last)] == [8, 6]
    for one, other in zip(batches[0], first, strict=True):
        np.testing.assert_array_equal(one, other)
    batches.on_epoch_end()
    assert np.abs(batches[0][0] - first[0]).max() > 0
    same = ArrayBatches((x, y, None), 8, change(MIXUP, 3))
    np.testing.assert_array_equal(same[3][1], last[1])
    other = ArrayBatches((x, y, None), 8, change(MIXUP, 3, seed=1))
    assert np.abs(other[0][0] - first[0]).max() > 0


def test_places_beyond_an_epoch_are_of_the_epochs_after_it():
    arrays = np.arange(10), None, None
    on, by_epoch = ArrayBatches(arrays, 4, change(), batches=9), Shuffled(arrays, 4, change())
    assert on.num_batches == 9
    on.on_epoch_end()  # It is not one: the places go on.
    for place in range(9):
        by_epoch.epoch = place // 3
        np.testing.assert_array_equal(on[place][0], by_epoch.batch(place % 3)[0])


def test_lists_of_inputs_are_told_apart_by_their_shapes():
    images, table = np.ones((6, 5, 5, 1), "float32"), np.ones((6, 3), "float32")
    x, *_ = change([augment.Brightness(0.5)])(([images, table],), 0, 0)
    assert isinstance(x, tuple)
    assert np.abs(x[0] - 1).max() > 0
    np.testing.assert_array_equal(x[1], table)


def test_weights_by_class_multiply_those_of_the_samples():
    *_, weights = change(weights={0: 2.0, 1: 3.0})((np.ones((2, 1)), [0, 1], [1.0, 2.0]), 0, 0)
    assert weights.tolist() == [2.0, 6.0]


class Own(keras.utils.PyDataset):
    """A user's own data set, which notes what it is told."""

    def __init__(self):
        super().__init__()
        self.begun = self.ended = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.full((4, 2), index, "float32"), np.arange(4) % 2

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1


def test_a_data_set_of_the_user_is_told_of_its_epochs():
    plain, own = Own(), Own()
    changed = ChangedBatches(own, change(MIXUP, 2))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    model.fit(changed, epochs=2, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(plain, epochs=2, verbose=0)
    assert (own.begun, own.ended) == (plain.begun, plain.ended)
    assert changed.num_batches == 3
    assert changed[0][1].shape == (4, 2)


def test_a_generator_is_changed_as_it_is_read():
    source = iter([(np.ones((4, 2)), np.arange(4) % 2)] * 2)
    one, other = changed_generator(source, change(MIXUP, 2))
    assert one[1].shape == (4, 2)
    assert np.abs(one[0] - other[0]).max() > 0


def test_a_tf_data_pipeline_keeps_its_shapes_and_is_fresh_in_each_epoch():
    tf = pytest.importorskip("tensorflow")
    x, y = np.ones((10, 4, 2), "float32"), np.arange(10) % 3
    source = tf.data.Dataset.from_tensor_slices(({"a": x}, y)).batch(4)
    epoch = Epoch()
    changed = changed_dataset(source, change(MIXUP, 3, weights={0: 2.0}), epoch)
    inputs, target, weights = changed.element_spec
    assert [tuple(one.shape) for one in (inputs["a"], target, weights)] == [
        (None, 4, 2),
        (None, 3),
        (None,),
    ]
    assert int(changed.cardinality()) == 3
    first = [one[0]["a"].numpy() for one in changed]
    assert [len(one) for one in first] == [4, 4, 2]
    np.testing.assert_array_equal(first[1], list(changed)[1][0]["a"].numpy())
    epoch.on_epoch_begin(1)
    assert np.abs(first[1] - list(changed)[1][0]["a"].numpy()).max() > 0


def test_a_tf_data_pipeline_of_any_size_of_image():
    tf = pytest.importorskip("tensorflow")
    spec = (tf.TensorSpec((None, None, None, 1), "uint8"), tf.TensorSpec((None,), "int64"))

    def images():
        for size in (5, 7):
            yield np.ones((2, size, size, 1), "uint8"), np.zeros(2, "int64")

    source = tf.data.Dataset.from_generator(images, output_signature=spec)
    found = list(changed_dataset(source, change([augment.Shift(1)]), Epoch()))
    assert [one[0].shape.as_list() for one in found] == [[2, 5, 5, 1], [2, 7, 7, 1]]
    assert {one[0].dtype.name for one in found} == {"uint8"}
