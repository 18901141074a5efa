import keras
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.data.splits import count_samples, fewer_samples, train_and_validation


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.x[4 * index : 4 * index + 4], self.y[4 * index : 4 * index + 4]


@pytest.fixture
def arrays():
    return np.arange(32.0).reshape(16, 2), np.arange(16)


def test_arrays_and_weights(arrays):
    x, y = arrays
    fit = {"x": {"a": x, "b": y}, "y": keras.ops.convert_to_tensor(y), "validation_data": (x, y, y)}
    train, validation = train_and_validation(fit, None)
    assert np.array_equal(train[0]["a"], x)
    assert isinstance(train[1], np.ndarray)
    assert train[2] is None
    assert np.array_equal(validation[2], y)


def test_the_split_is_that_of_fit(arrays):
    x, y = arrays
    fit = {"x": [x, x], "y": y, "validation_split": 0.3}
    (kept, _, _), (held, targets, weights) = train_and_validation(fit, None)
    assert targets.tolist() == [11, 12, 13, 14, 15]
    assert [len(part) for part in (*kept, *held)] == [11, 11, 5, 5]
    assert weights is None


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_batches_are_joined(arrays, kind):
    x, y = arrays
    batches = Batches(x, y)
    if kind == "tf.data":
        import tensorflow as tf

        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
    fit = {"x": batches, "steps_per_epoch": 4, "validation_data": batches, "validation_steps": 2}
    train, validation = train_and_validation(fit, None)
    assert np.array_equal(train[0], x)
    assert np.array_equal(train[1], y)
    assert train[2] is None
    assert np.array_equal(validation[1], y[:8])
    assert len(train_and_validation(fit, 5)[0][0]) == 8  # Whole batches, until it is enough.


def test_what_can_be_read_only_once_is_refused(arrays):
    with pytest.raises(ValueError, match=r"`x` must be arrays, or a data set.*generator"):
        train_and_validation({"x": (a for a in [arrays]), "validation_split": 0.5}, None)
    with pytest.raises(ValueError, match=r"Scores need validation data.*Received: neither"):
        train_and_validation({"x": arrays[0]}, None)


@given(st.integers(2, 40), st.floats(0.0, 0.8), st.integers(0, 5), st.data())
def test_fewer_samples_are_a_part_of_those_that_fit_trains_with(rows, split, seed, data):
    x = np.arange(rows)
    fit = {"x": {"a": x}, "y": x, "sample_weight": x, "validation_split": split, "epochs": 2}
    most = count_samples(fit)
    if not most:
        return
    count = data.draw(st.integers(1, most))
    fewer = fewer_samples(fit, count, seed)
    assert len(fewer["x"]["a"]) == count == len(set(fewer["y"].tolist()))
    assert np.array_equal(fewer["x"]["a"], fewer["y"])
    assert np.array_equal(fewer["y"], fewer["sample_weight"])
    assert fewer["y"].max() < most
    assert fewer["epochs"] == 2
    assert "validation_split" not in fewer
    if split:
        assert [part.tolist() for part in keras.tree.flatten(fewer["validation_data"])] == [
            list(range(most, rows))
        ] * 3
    more = fewer_samples(fit, most, seed)
    assert set(fewer["y"].tolist()) <= set(more["y"].tolist())


def test_batches_and_given_steps_are_not_made_fewer(arrays):
    x, y = arrays
    assert count_samples({"x": x, "y": y}) == 16
    assert count_samples({"x": Batches(x, y)}) is None
    assert count_samples({"x": x, "y": y, "steps_per_epoch": 2}) is None
    assert count_samples({}) is None
    assert count_samples({"x": scipy.sparse.csr_matrix(x), "y": y}) is None


def test_validation_data_comes_before_a_split(arrays):
    x, y = arrays
    fit = {"x": x, "y": y, "validation_split": 0.5, "validation_data": (x, y)}
    assert count_samples(fit) == 16
    assert len(fewer_samples(fit, 10, seed=0)["x"]) == 10
