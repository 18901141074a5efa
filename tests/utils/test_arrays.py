import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.utils.arrays import in_batches, in_memory, listed

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


@pytest.mark.parametrize("x", [X, X.tolist(), [X], (X,), {"a": X}])
def test_one_input(x):
    (array,) = listed("x", x, [2], ["a"])
    assert np.array_equal(array, X)


def test_several_inputs():
    given = {"b": Y, "a": X}
    for x in ([X, Y], (X, Y), given):
        first, second = listed("x", x, [2, 1], ["a", "b"])
        assert (first.shape, second.shape) == ((6, 2), (6,))


@pytest.mark.parametrize(
    ("x", "ranks", "message"),
    [
        ([X], [2, 2], "list of 2 arrays, one for each input. Received: 1 arrays"),
        (X, [2, 2], "Received: <class 'numpy.ndarray'>"),
        ({"b": X}, [2], r"keys \['a'\]. Received: \['b'\]"),
    ],
)
def test_inputs_that_do_not_fit(x, ranks, message):
    with pytest.raises(ValueError, match=message):
        listed("x", x, ranks, ["a"])


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return X, Y


def test_batches_are_read():
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    assert in_batches(batches)
    x, y, weights = in_memory("data", (batches, None, None))
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    assert weights is None
    assert not any(map(in_batches, (X, [X], (X, Y), {"a": X}, "text", 3, None)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(), "without end"),
        (Endless(), "without end"),
        ((batch for batch in [(X, Y)]), "can be read again. Received: a generator"),
        (tf.data.Dataset.from_tensor_slices((X, Y)), "must hold batches"),
        (tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4), "an empty data set"),
    ],
)
def test_data_sets_that_cannot_be_read(data, message):
    with pytest.raises(ValueError, match=message):
        in_memory("data", (data, None, None))
