import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.converter_fixes import fix_converted_file
from kerasnas.tflite.inspection import ends

L = keras.layers


def test_outputs_are_in_the_order_of_the_model():
    a, b = keras.Input((3,)), keras.Input((5,))
    wide = L.Dense(7)(b)
    model = keras.Model([b, a], [wide, L.Concatenate()([a, b]), L.Dense(2)(a), wide])
    data = to_tflite(model)
    assert [tensor.shape for tensor in ends(data, "input")] == [(1, 5), (1, 3)]
    assert [t.shape for t in ends(data, "output")] == [(1, 7), (1, 8), (1, 2), (1, 7)]
    x = [np.ones((2, 5), "float32"), np.ones((2, 3), "float32")]
    pairs = zip(model.predict(x, verbose=0), Interpreter(data).predict(x), strict=True)
    assert all(np.allclose(want, have, atol=1e-5) for want, have in pairs)


def cell_scales(data):
    graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
    cells = [op.inputs[19] for op in graph.operators if len(op.inputs) == 24]
    return [graph.tensors[cell].quantization.scale[0] for cell in cells]


def test_cells_of_a_scale_that_kernels_take_stay_as_they_are():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5)])
    x = 3 * np.random.default_rng(0).normal(size=(50, 6, 4))
    data = to_tflite(model, "int8", x)
    (scale,) = cell_scales(data)
    assert scale > 2**-15
    assert fix_converted_file(data) == data


def test_cells_of_a_finer_scale_get_the_finest_that_kernels_take():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(8)])
    x = 0.3 * np.random.default_rng(0).normal(size=(50, 6, 4))
    data = to_tflite(model, "int8", x)
    assert cell_scales(data) == [2**-15]
    want = model.predict(x, verbose=0)
    # Left as it was converted, the error is twice the largest output.
    assert np.abs(Interpreter(data).predict(x) - want).max() < 0.1 * np.abs(want).max()


def both_ways(x):
    return L.Bidirectional(L.LSTM(8))(x)


def beside_another_branch(x):
    return L.Concatenate()([L.LSTM(8)(x), L.Dense(8)(L.Flatten()(x)), L.LSTM(4)(x)])


@pytest.mark.parametrize("layers", [both_ways, beside_another_branch])
def test_what_an_lstm_hands_to_a_concatenation_keeps_its_values(layers, int8_within_steps):
    int8_within_steps(layers)


def test_it_keeps_the_size(classifier_file):
    assert fix_converted_file(classifier_file) == classifier_file


def test_layers_that_nothing_passes():
    """A ReLU that is always 0, and what reads it: a kernel with a bias, a sum, a pooling."""
    never = keras.initializers.Constant(-100)
    x = keras.Input((8, 8, 3))
    dead = L.Conv2D(4, 3, padding="same", activation="relu", bias_initializer=never)(x)
    pooled = L.MaxPooling2D()(dead)
    biased = L.Conv2D(4, 1, bias_initializer=keras.initializers.Constant(0.3))(pooled)
    alive = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = L.Add()([biased, alive, pooled])
    y = L.Concatenate()([L.GlobalAveragePooling2D()(part) for part in (y, pooled)])
    model = keras.Model(x, L.Dense(3)(y))
    samples = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
    with pytest.raises(ValueError, match="0 on all samples"):
        to_tflite(model, "int16x8", samples)
    data = to_tflite(model, "int8", samples)
    want = model.predict(samples, verbose=0)
    assert np.abs(Interpreter(data).predict(samples) - want).max() < 0.02 * np.abs(want).max()


def worst(model, samples):
    """The largest difference of the int8 file's outputs, and the largest output."""
    want = keras.tree.flatten(model.predict(samples, verbose=0))
    have = keras.tree.flatten(Interpreter(to_tflite(model, "int8", samples)).predict(samples))
    differences = [np.abs(w - h).max() for w, h in zip(want, have, strict=True)]
    return max(differences), max(np.abs(w).max() for w in want)


def constant(value):
    return keras.initializers.Constant(value)


def test_biases_after_dead_layers_that_share_their_values(rng):
    """The converter makes all of them 2**30, in one buffer, whatever they are."""
    x = keras.Input((6,))
    dead = [L.Dense(8, activation="relu", bias_initializer=constant(-1e3))(x) for _ in "ab"]
    ends = [
        L.Dense(1, bias_initializer=constant(bias))(y)
        for bias, y in zip((0.7, 2.0), dead, strict=True)
    ]
    difference, most = worst(keras.Model(x, ends), rng.normal(size=(48, 6)))
    assert difference < 0.01 * most


@pytest.mark.parametrize("most", [1e-4, 1e-5, 1e-6, 1e-7])
def test_layers_that_hardly_anything_passes(rng, most):
    keras.utils.set_random_seed(0)
    samples = rng.normal(size=(48, 6)).astype("float32")
    x, dense = keras.Input((6,)), L.Dense(8, activation="relu")
    model = keras.Model(x, L.Dense(3, bias_initializer=constant(0.2))(dense(x)))
    kernel, _ = dense.get_weights()
    dense.set_weights([kernel, (most - samples @ kernel).min(0)])
    difference, output = worst(model, samples)
    assert difference < 0.05 * output


def test_dead_layers_that_read_large_numbers(rng):
    x = keras.Input((6,))
    y = L.Dense(8, activation="relu", bias_initializer=constant(-3e5))(x)
    model = keras.Model(x, L.Dense(3, bias_initializer=constant(0.2))(y))
    difference, most = worst(model, 3e4 * rng.normal(size=(48, 6)))
    assert difference < 0.01 * most


def test_an_lstm_that_reads_a_dead_layer_is_refused(rng):
    x = keras.Input((8, 4))
    y = L.Dense(4, activation="relu", bias_initializer=constant(-100))(x)
    with pytest.raises(ValueError, match="0 on all samples"):
        to_tflite(keras.Model(x, L.LSTM(4)(y)), "int8", rng.normal(size=(48, 8, 4)))
