"""Functions that Keras 2 lacks, or has in another form."""

import keras
import numpy as np
import pytest
import tf_keras

from kerasnas.bridge.activations import GIVEN
from kerasnas.compression import to_tf_keras

L = keras.layers


ops = keras.ops


IMAGE = (8, 8, 4)


def cloned(rebuilt):
    clone = tf_keras.models.clone_model(rebuilt)
    clone.set_weights(rebuilt.get_weights())
    return clone


@pytest.mark.parametrize("name", GIVEN)
def test_function_that_keras_2_lacks_or_has_in_another_form(name, randomise, assert_same):
    x = keras.Input(IMAGE)
    function = (lambda t: ops.gelu(t, approximate=True)) if name == "gelu_tanh" else None
    parts = [(function or getattr(ops, name))(x)]
    if name not in ("gelu_tanh", "sparse_sigmoid"):
        parts.append(L.Activation(name)(x))
    if name not in ("gelu_tanh", "glu", "sparse_sigmoid"):
        parts.append(L.GRU(3, activation=name, recurrent_activation=name)(L.Reshape((2, 128))(x)))
        parts.append(L.EinsumDense("abcd,de->abce", (8, 8, 3), activation=name)(x))
    model = randomise(keras.Model(x, parts))
    rebuilt = to_tf_keras(model)
    assert all(type(layer).__module__.startswith("tf_keras.") for layer in rebuilt.layers)
    batch = 3 * np.random.default_rng(1).normal(size=(2, *IMAGE)).astype("float32")
    assert_same(model, rebuilt, batch)
    assert_same(model, cloned(rebuilt), batch)
