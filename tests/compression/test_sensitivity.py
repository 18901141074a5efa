"""How many zeros each layer bears."""

import keras
import numpy as np
import pytest

from kerasnas.compression.sensitivity import bearable, sensitivity
from kerasnas.data.dataset import dataset

L = keras.layers


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 6, 6, 2)).astype("float32")
    y = (x[..., 0].mean((1, 2)) > x[..., 1].mean((1, 2))).astype(int)
    return x, y


@pytest.fixture(scope="module")
def model(data):
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 6, 2))
    y = L.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    y = L.Conv2D(16, 3, padding="same", activation="relu", name="second")(y)
    y = L.Dense(16, activation="relu", name="third")(L.GlobalAveragePooling2D()(y))
    model = keras.Model(x, L.Dense(2, activation="softmax", name="last")(y))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*data, epochs=8, verbose=0)
    return model


def test_zeros_cost_more_the_more_there_are(model, data):
    measured = sensitivity(model, dataset("validation_data", data, model), (0.0, 0.5, 1.0))
    assert list(measured) == ["second", "third"]
    for costs in measured.values():
        assert costs[0.0] == 0
        assert costs[1.0] > 0.1
    assert set(bearable(measured, 0.01).values()) <= {0.0, 0.5}
    assert set(bearable(measured, 1).values()) == {1.0}
    assert set(bearable(measured, -1).values()) == {0.0}
