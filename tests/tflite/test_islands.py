"""Operators that the converter leaves in float are made int8."""

import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.inspection import float_operators, operators
from kerasnas.tflite.isolated_runner import run_file

L = keras.layers


OPS = keras.ops


RNG = np.random.default_rng(0)


VECTORS = RNG.normal(size=(40, 6)).astype("float32")


has_micro = importlib.util.find_spec("tflite_micro") is not None


def on(x, layers, dtype=None):
    """A model of one input for samples."""
    keras.utils.set_random_seed(0)
    tensor = keras.Input(x.shape[1:], dtype=dtype or x.dtype.name, name="entry")
    return keras.Model(tensor, layers(tensor))


def agree(model, data, x):
    """Whether the file gives what the model gives, also on TensorFlow Lite Micro."""
    want = model.predict(x, verbose=0)
    found = Interpreter(data).predict(x)
    assert np.corrcoef(want.ravel(), found.ravel())[0, 1] > 0.99
    if has_micro:
        (found,) = run_file(data, [x], "micro", 60)
        assert np.corrcoef(want.ravel(), found.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("layers", "kind"),
    [
        (lambda x: L.Dense(3)(L.ELU(name="act")(L.Dense(8)(x))), "ELU"),
        (lambda x: (lambda y: L.Add()([L.ELU()(y), L.ReLU()(y)]))(L.Dense(8)(x)), "ELU"),
        (lambda x: L.ELU()(L.Dense(8)(x)), "ELU"),
        (lambda x: L.Dense(3)(OPS.square(L.Dense(8)(x))), "MUL"),
        (lambda x: L.Dense(3)(OPS.power(L.Dense(8)(x), 2)), "MUL"),
    ],
    ids=["elu", "elu_and_more", "elu_last", "square", "power"],
)
def test_what_the_converter_leaves_in_float_is_int8(layers, kind):
    model = on(VECTORS, layers)
    data = to_tflite(model, "int8", VECTORS)
    assert float_operators(data) == []
    assert kind in [op.name for op in operators(data)]
    agree(model, data, VECTORS)
