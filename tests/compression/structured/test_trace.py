"""A model with its channels."""

import keras
import pytest

from kerasnas.compression import prune_channels

L = keras.layers


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


def test_nothing_to_remove():
    x = keras.Input((8, 8, 3))
    y = L.LayerNormalization(name="norm")(L.Conv2D(4, 3, name="conv")(x))
    model = keras.Model(x, L.Conv2D(2, 1, name="last")(y), name="net")
    message = (
        r"'net' has no channels that can be removed:\n"
        r"  'conv': 'norm' \(LayerNormalization\) needs all that it reads\n"
        r"  'last': it is an output of the model"
    )
    with pytest.raises(ValueError, match=message):
        prune_channels(model)
    with pytest.raises(ValueError, match="no convolution and no Dense layer"):
        prune_channels(keras.Model(x, L.Flatten()(x)))


def test_weights_that_are_not_finite():
    model = compiled()
    model.layers[1].kernel.assign(model.layers[1].kernel * float("nan"))
    with pytest.raises(
        ValueError, match=r"finite weights. Received: NaN or infinity in '.*kernel'"
    ):
        prune_channels(model)


def test_model_without_a_graph():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="must be a Sequential or Functional model"):
        prune_channels(Subclassed())
