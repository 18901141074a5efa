"""The order of operators, and where they compute in floats, against the file."""

import keras
import keras_tuner
import pytest
from keras import layers, ops

import kerasnas as kn
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import lower
from kerasnas.tflite.reader import read_tflite

# Node 2 reads node 0 as it is, so its addition is ready before a branch that is named before it.
CELLS = (
    {"0_1": "conv3x3", "0_2": "identity", "1_2": "conv1x1", "0_3": "conv3x3", "2_3": "conv3x3"},
    {"0_1": "conv3x3", "0_2": "identity", "1_2": "conv3x3", "1_3": "avgpool3x3", "2_3": "conv3x3"},
)


@pytest.mark.parametrize("edges", CELLS)
def test_operators_run_in_the_order_of_the_file(edges, compare):
    space = kn.CellHyperModel((16, 16, 3), 10, cells=[1], filters=[8])
    hp = keras_tuner.HyperParameters()
    space.declare(hp)
    zeros = dict.fromkeys((f"{i}_{j}" for j in range(1, 4) for i in range(j)), "zero")
    hp.values = {"cells": 1, "filters": 8}
    hp.values |= {f"cell/edge_{edge}": kind for edge, kind in (zeros | edges).items()}
    compare(space.build(hp), "float32")


def pixels(first):
    x = inputs = keras.Input((8, 8, 3), dtype="uint8")
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 3)(first(x))))


def words():
    x = inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Embedding(50, 4)(x))))


def between(function):
    x = inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(function(layers.Dense(8)(x))))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pixels(layers.Rescaling(1 / 255)),
        lambda: pixels(layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0] * 3)),
        words,
        lambda: between(layers.ELU()),
        lambda: between(ops.square),
    ],
)
def test_an_int8_file_reads_no_cast(make, rng, fill):
    model = make()
    fill(model)
    high = 255 if model.inputs[0].dtype == "uint8" else 50
    data = rng.integers(0, high, (20, *model.input_shape[1:])).astype(model.inputs[0].dtype)
    file = kn.export.to_tflite(model, "int8", representative_data=data)
    kinds = [operator.kind for operator in read_tflite(file)[0].operators]
    assert [operator.kind for operator in lower(keras_graph(model), "int8").operators] == kinds
    assert not {"CAST", "DEQUANTIZE", "QUANTIZE"} & set(kinds)
    profile, real = kn.profile(model), kn.hardware.profile_tflite(file)
    assert (profile.arena_head, profile.ram_bytes) == (real.arena_head, real.ram_bytes)
