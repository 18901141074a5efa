"""A network of digits with what a recipe makes of it, and a smaller one that trains at once."""

import keras
import numpy as np
import pytest
import tf_keras
from sklearn.datasets import load_digits

from kerasnas.compression import (
    Prune,
    Quantize,
    compress,
)

L = keras.layers


@pytest.fixture(scope="session")
def digits():
    data = load_digits()
    x, y = (data.images / 16)[..., None].astype("float32"), data.target
    return {
        "train": (x[:1000], y[:1000]),
        "val": (x[1000:1400], y[1000:1400]),
        "test": (x[1400:], y[1400:]),
    }


@pytest.fixture(scope="session")
def model(digits):
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 1))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(12, 3, use_bias=False, padding="same")(x)))
    y = L.MaxPooling2D()(L.Add()([y, L.Conv2D(12, 3, activation="relu", padding="same")(y)]))
    y = L.ReLU()(L.Dense(24)(L.Flatten()(y)))
    model = keras.Model(x, L.Dense(10, activation="softmax")(y))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*digits["train"], epochs=8, verbose=0)
    return model


RECIPE = (Prune(0.5, epochs=2), Quantize("int8", epochs=1))


@pytest.fixture(scope="session")
def trained():
    """The tf_keras models that were fitted, in order."""
    return []


@pytest.fixture(scope="session")
def compressed(model, digits, trained):
    fit = tf_keras.Model.fit

    def spy(self, *args, **kwargs):
        trained.append([type(layer).__name__ for layer in self.layers])
        return fit(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf_keras.Model, "fit", spy)
        return compress(
            model,
            list(RECIPE),
            train_data=digits["train"],
            validation_data=digits["val"],
            test_data=digits["test"],
            tolerance=0.05,
        )


@pytest.fixture(scope="session")
def small_data():
    """Images whose class is the channel that is brighter."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 6, 6, 2)).astype("float32")
    y = (x[..., 0].mean((1, 2)) > x[..., 1].mean((1, 2))).astype(int)
    return x, y


@pytest.fixture(scope="session")
def small_model(small_data):
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 6, 2))
    y = L.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    y = L.Conv2D(16, 3, padding="same", activation="relu", name="second")(y)
    y = L.Dense(16, activation="relu", name="third")(L.GlobalAveragePooling2D()(y))
    model = keras.Model(x, L.Dense(2, activation="softmax", name="last")(y))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*small_data, epochs=8, verbose=0)
    return model
