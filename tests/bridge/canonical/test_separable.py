"""A separable convolution becomes its two convolutions."""

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


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize("multiplier", [1, 2])
def test_separable_convolution_is_two(multiplier):
    layer = L.SeparableConv2D(
        6, 3, strides=2, depth_multiplier=multiplier, activation="relu6", name="sep"
    )
    legacy = rewritten(one(layer))
    assert kinds(legacy) == ["DepthwiseConv2D", "Conv2D", "ReLU"]
    assert [layer.name for layer in legacy.layers[1:]] == [
        "sep",
        "sep_pointwise",
        "sep_pointwise_relu6",
    ]


def test_shared_separable_convolution():
    x = keras.Input(IMAGE)
    conv = L.SeparableConv2D(4, 3, padding="same", use_bias=False)
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert len(legacy.weights) == 2
