"""Merges of many, and averages, become merges of two."""

import keras
import numpy as np
import pytest

from kerasnas.bridge import build, canonical, expected, read, verify

L = keras.layers


IMAGE = (8, 8, 4)


def randomise(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        positive = "variance" in weight.path
        weight.assign(
            rng.uniform(0.5, 2, weight.shape) if positive else rng.normal(0, 0.5, weight.shape)
        )
    return model


def rewritten(model):
    """The canonical tf_keras model, after comparing its outputs with the source's."""
    graph = canonical(read(randomise(model)))
    legacy = build(graph)
    verify(model, expected(model, graph), legacy)
    return legacy


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


@pytest.mark.parametrize("merge", [L.Add, L.Multiply, L.Maximum, L.Minimum])
def test_merge_of_many_is_a_chain(merge):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1, name=f"part{i}")(x) for i in range(4)]
    found = kinds(rewritten(keras.Model(x, merge(name="all")(parts))))
    assert found.count(merge.__name__) == 3


@pytest.mark.parametrize("count", [2, 3])
def test_average_is_a_scaled_sum(count):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1)(x) for _ in range(count)]
    found = kinds(rewritten(keras.Model(x, L.Average()(parts))))
    others = [kind for kind in found if kind != "Conv2D"]
    assert others == ["Add"] * (count - 1) + ["DepthwiseConv2D"]
