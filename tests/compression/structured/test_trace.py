"""A model with its channels."""

import keras
import pytest

from kerasnas.compression import prune_channels

L = keras.layers


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


def test_weights_that_are_not_finite(compiled):
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
