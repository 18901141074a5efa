"""Normalizations: costs against those of the file."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnas as kn
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import lower
from kerasnas.tflite.reader import read_tflite

IMAGE = (8, 8, 4)
SEQUENCE = (6, 8)
VECTOR = (12,)


NORMALIZATIONS = [
    (IMAGE, lambda x: ops.normalize(x, axis=-1)),
    (VECTOR, lambda x: ops.normalize(layers.Dense(4)(x), axis=-1, order=1)),
    (IMAGE, lambda x: ops.normalize(x, axis=(1, 2))),
    (VECTOR, lambda x: layers.UnitNormalization()(layers.Dense(4)(x))),
    (IMAGE, lambda x: layers.UnitNormalization(axis=(2, 3))(x)),
    (IMAGE, lambda x: layers.ReLU()(layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(x)))),
    (SEQUENCE, lambda x: layers.Dense(3)(layers.BatchNormalization(axis=1)(x))),
    (IMAGE, lambda x: layers.LayerNormalization(axis=(1, 2))(x)),
    (IMAGE, lambda x: layers.LayerNormalization(axis=(2, 3))(x)),
    (IMAGE, lambda x: layers.LayerNormalization(axis=(1, 2, 3), center=False)(x)),
    (IMAGE, lambda x: layers.LayerNormalization(axis=1, scale=False)(x)),
    (SEQUENCE, lambda x: layers.LayerNormalization(epsilon=1e-6, center=False)(x)),
    (IMAGE, lambda x: layers.GroupNormalization(2, axis=1)(x)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_normalizations_cost_what_their_file_costs(dtype, compare_all):
    # Of many branches: buffers of one size change places where some are in floats.
    compare_all(NORMALIZATIONS, dtype, head={"int8": 0.04}.get(dtype, 0))


def normalizations() -> keras.Model:
    x = inputs = keras.Input((4, 4, 4))
    x = layers.LayerNormalization()(layers.Conv2D(4, 1)(x))
    x = layers.GroupNormalization(2)(layers.Conv2D(4, 1)(x))
    return keras.Model(inputs, layers.UnitNormalization()(x))


def test_normalizations_over_channels(compare):
    # Constants that happen to be equal are stored once, and these are many and small.
    compare(normalizations(), "float32", flash=0.1)


@pytest.mark.parametrize("shape", [(3,), (16, 3), (8, 8, 3)])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_normalization(shape, dtype, rng, fill):
    """In integers it is a kernel, whose work is the file's and not the network's."""
    x = inputs = keras.Input(shape)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(x)
    x = (layers.Dense, layers.Conv1D, layers.Conv2D)[len(shape) - 1](
        *(8, 3)[: len(shape)], activation="relu"
    )(x)
    model = keras.Model(inputs, layers.Dense(40)(layers.Flatten()(x)))
    fill(model)
    file = kn.export.to_tflite(model, dtype, rng.random((8, *shape), dtype=np.float32))
    profile, real = kn.profile(model, dtype), kn.hardware.profile_tflite(file)
    kinds = [operator.kind for operator in lower(keras_graph(model), dtype).operators]
    assert kinds == [operator.kind for operator in read_tflite(file)[0].operators]
    assert real.macs - profile.macs == (math.prod(shape) if dtype == "int8" else 0)
    assert profile.arena_head == real.arena_head
    assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.05)
    assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=0.05)
