"""Merges of many, and averages, become merges of two."""

import keras
import pytest

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


@pytest.mark.parametrize("merge", [L.Add, L.Multiply, L.Maximum, L.Minimum])
def test_merge_of_many_is_a_chain(merge, rewritten):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1, name=f"part{i}")(x) for i in range(4)]
    found = kinds(rewritten(keras.Model(x, merge(name="all")(parts))))
    assert found.count(merge.__name__) == 3


@pytest.mark.parametrize("count", [2, 3])
def test_average_is_a_scaled_sum(count, rewritten):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1)(x) for _ in range(count)]
    found = kinds(rewritten(keras.Model(x, L.Average()(parts))))
    others = [kind for kind in found if kind != "Conv2D"]
    assert others == ["Add"] * (count - 1) + ["DepthwiseConv2D"]
