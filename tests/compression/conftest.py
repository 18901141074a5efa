"""A network of digits, and what a recipe of pruning and quantization makes of it."""

import keras
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
