"""Layers of lines become layers of images."""

import keras
import pytest

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


LINE = (9, 4)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda: L.Conv1D(6, 3, strides=2, padding="same", activation="relu"), "Conv2D"),
        (lambda: L.Conv1D(6, 3, dilation_rate=2, groups=2), "Conv2D"),
        (lambda: L.Conv1DTranspose(6, 3, strides=2, output_padding=1), "Conv2DTranspose"),
        (lambda: L.DepthwiseConv1D(3, strides=2, depth_multiplier=2), "DepthwiseConv2D"),
        (lambda: L.MaxPooling1D(3, strides=2, padding="same"), "MaxPooling2D"),
        (lambda: L.AveragePooling1D(2), "AveragePooling2D"),
        (lambda: L.UpSampling1D(2), "UpSampling2D"),
        (lambda: L.ZeroPadding1D((1, 2)), "ZeroPadding2D"),
        (lambda: L.Cropping1D((1, 2)), "Cropping2D"),
        (lambda: L.SpatialDropout1D(0.1), "SpatialDropout2D"),
    ],
)
def test_layer_of_lines_is_one_of_images(layer, kind, rewritten):
    assert kinds(rewritten(one(layer(), LINE))) == ["Reshape", kind, "Reshape"]


@pytest.mark.parametrize("kept", [False, True])
def test_global_pooling_of_lines(kept, rewritten):
    for layer in (L.GlobalAveragePooling1D(keepdims=kept), L.GlobalMaxPooling1D(keepdims=kept)):
        assert kinds(rewritten(one(layer, LINE))) == [
            "Reshape",
            type(layer).__name__.replace("1D", "2D"),
            *["Reshape"] * kept,
        ]


def test_network_of_lines_has_no_reshape_inside(rewritten):
    x = keras.Input(LINE)
    y = L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 3, padding="causal", dilation_rate=2)(x)))
    z = L.Activation("hard_silu")(L.BatchNormalization(axis=2)(L.Conv1D(6, 1)(y)))
    y = L.Concatenate(axis=2)([L.Add()([y, z]), L.SeparableConv1D(4, 3, padding="same")(y)])
    model = keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(L.AveragePooling1D(2)(y))))
    found = kinds(rewritten(model))
    assert found.count("Reshape") == 1
    assert found[0] == "Reshape"
    assert found[1:5] == ["ZeroPadding2D", "Conv2D", "BatchNormalization", "ReLU"]


def test_lines_of_any_length(rewritten):
    x = keras.Input((None, 4))
    y = L.Conv1D(5, 3, padding="same")(x)
    rewritten(keras.Model(x, [L.MaxPooling1D(2)(y), y]))


def test_shared_convolution_of_lines(rewritten):
    x = keras.Input(LINE)
    conv = L.Conv1D(4, 3, padding="causal")
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert len(legacy.weights) == 2
