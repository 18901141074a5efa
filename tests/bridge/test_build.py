import keras
import numpy as np
import pytest

from kerasnas.bridge import build, expected, read, verify
from kerasnas.compression import to_tf_keras

L = keras.layers


ROW = (6,)


def test_the_source_model_is_not_changed(randomise):
    model = randomise(keras.Sequential([keras.Input(ROW), L.Dense(3), L.BatchNormalization()]))
    before = [weight.copy() for weight in model.get_weights()]
    rebuilt = to_tf_keras(model)
    rebuilt.set_weights([weight + 1 for weight in rebuilt.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_rebuild_that_differs_is_refused(randomise):
    model = randomise(keras.Sequential([keras.Input(ROW), L.Dense(3)]))
    graph = read(model)
    rebuilt = build(graph)
    rebuilt.set_weights([weight * (1 + 1e-3) for weight in rebuilt.get_weights()])
    with pytest.raises(ValueError, match="output 0 differs by"):
        verify(model, expected(model, graph), rebuilt)


def test_not_a_keras_model():
    with pytest.raises(ValueError, match="must be a Keras 3 model"):
        to_tf_keras(build(read(keras.Sequential([keras.Input((2,)), L.Dense(1)]))))
