import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.data.arrays import in_batches, in_memory, inputs_in_order, packed

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


def model_of(inputs):
    flat = [keras.layers.Flatten()(tensor) for tensor in keras.tree.flatten(inputs)]
    joined = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    return keras.Model(inputs, keras.layers.Dense(1)(joined))


@pytest.mark.parametrize("x", [X, X.tolist(), [X], (X,), {"a": X}])
def test_one_input(x):
    (array,) = inputs_in_order("x", x, model_of(keras.Input((2,), name="a")))
    assert np.array_equal(array, X)


def test_several_inputs():
    model = model_of([keras.Input((2,), name="b"), keras.Input((1,), name="a")])
    for x in ([X, Y], (X, Y), {"a": Y, "b": X}):
        first, second = inputs_in_order("x", x, model)
        assert (first.shape, second.shape) == ((6, 2), (6,))


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
@pytest.mark.parametrize(
    "structure",
    [
        # The key counts, and not the name, where a model is called with a dict.
        lambda p, q, r: {"q": p, "z": q, "a": r},
        lambda p, q, r: [p, [r, q]],
        lambda p, q, r: {"z": (p, q), "a": {"x": r}},
    ],
)
def test_arrays_are_found_in_the_structure_of_the_inputs(structure):
    tensors = [keras.Input((1,), name=name) for name in "pqr"]
    model = model_of(structure(*tensors))
    arrays = [np.full((4, 1), value) for value in (1, 2, 3)]
    found = inputs_in_order("x", structure(*arrays), model)
    value = dict(zip(map(id, tensors), (1, 2, 3), strict=True))
    wanted = [value[id(tensor)] for tensor in model.inputs]
    assert [int(array[0, 0]) for array in found] == wanted
    # A flat list is in the order of the inputs.
    assert inputs_in_order("x", found, model) == found
    assert keras.tree.flatten(packed(found, model)) == found


@pytest.mark.parametrize(
    ("x", "inputs", "message"),
    [
        ([X], 2, "list of 2 arrays, one for each input. Received: 1 arrays"),
        (X, 2, "Received: <class 'numpy.ndarray'>"),
        ({"b": X}, 1, r"keys \['i0'\]. Received: \['b'\]"),
    ],
)
def test_inputs_that_do_not_fit(x, inputs, message):
    model = model_of([keras.Input((2,), name=f"i{n}") for n in range(inputs)])
    with pytest.raises(ValueError, match=message):
        inputs_in_order("x", x, model)


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
