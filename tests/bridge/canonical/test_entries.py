"""Inputs in the dtype that a quantized file handles best."""

import keras
import pytest

from kerasnas.bridge import build, canonical, read

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


@pytest.mark.parametrize(("dtype", "first"), [("int32", "Rescaling"), ("uint8", "DepthwiseConv2D")])
def test_rescaling_of_integers_stays_but_pixels_come_as_floats(dtype, first):
    x = keras.Input(IMAGE, dtype=dtype)
    legacy = build(canonical(read(keras.Model(x, L.Rescaling(0.5)(L.Rescaling(2.0)(x))))))
    assert kinds(legacy) == [first, "DepthwiseConv2D"]
