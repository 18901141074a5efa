import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnas.export import Interpreter, to_tflite
from kerasnas.export.model_file import ends
from kerasnas.export.touch_up import touch_up

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
    assert touch_up(data) == data


def test_cells_of_a_finer_scale_get_the_finest_that_kernels_take():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(8)])
    x = 0.3 * np.random.default_rng(0).normal(size=(50, 6, 4))
    data = to_tflite(model, "int8", x)
    assert cell_scales(data) == [2**-15]
    want = model.predict(x, verbose=0)
    # Left as it was converted, the error is twice the largest output.
    assert np.abs(Interpreter(data).predict(x) - want).max() < 0.1 * np.abs(want).max()


def test_it_keeps_the_size(classifier_file):
    assert touch_up(classifier_file) == classifier_file


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
