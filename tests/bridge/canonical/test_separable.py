"""A separable convolution becomes its two convolutions."""

import keras
import pytest

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize("multiplier", [1, 2])
def test_separable_convolution_is_two(multiplier, rewritten):
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


def test_shared_separable_convolution(rewritten):
    x = keras.Input(IMAGE)
    conv = L.SeparableConv2D(4, 3, padding="same", use_bias=False)
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert len(legacy.weights) == 2
