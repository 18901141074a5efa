"""Which channels go."""

import keras
import pytest

import kerasnas as kn
from kerasnas.compression import prune_channels

L = keras.layers


ops = keras.ops


def conv_bn(x, filters, kernel=3, strides=1, activation="relu"):
    x = L.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(activation)(x) if activation else x


def head(x, name="head"):
    return L.Dense(3, name=name)(L.GlobalAveragePooling2D()(x))


def residual(x):
    x = conv_bn(x, 8)
    y = conv_bn(conv_bn(x, 6), 8, activation=None)
    x = L.ReLU()(L.Add()([x, y]))
    y = conv_bn(conv_bn(x, 12, strides=2), 12, activation=None)
    return head(L.Add()([conv_bn(x, 12, 1, 2, None), y]))


def compiled(build=residual):
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, build(x), name="net")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
    return model


def test_each_layer_keeps_its_share_while_that_is_enough():
    model = compiled()
    for layer in model.layers:  # One layer looks useless.
        if isinstance(layer, L.BatchNormalization):
            layer.gamma.assign(ops.ones_like(layer.gamma) * (layer.gamma.shape[0] != 6))
    pruned = prune_channels(model, 0.5)
    convolutions = [layer for layer in model.layers if isinstance(layer, L.Conv2D)]
    assert convolutions
    for layer in convolutions:
        assert pruned.get_layer(layer.name).filters >= 0.5 * layer.filters
    assert kn.profile(pruned).macs <= 0.5 * kn.profile(model).macs


def test_no_layer_loses_all_its_channels():
    model = compiled()
    for layer in model.layers:
        if isinstance(layer, L.Conv2D):
            layer.kernel.assign(ops.zeros_like(layer.kernel) + (layer.filters == 6))
    pruned = prune_channels(model, 0.1)
    assert min(layer.output.shape[-1] for layer in pruned.layers[1:]) >= 1


def test_share_that_cannot_be_reached():
    with pytest.raises(ValueError, match=r"`keep` must be at least 0\.\d+ for the model 'net'"):
        prune_channels(compiled(), 0.001)
