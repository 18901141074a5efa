import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 6)).astype("float32")
    y = (x[:, :1] + x[:, 1:2] > 0).astype("float32")
    return x, y


@pytest.fixture(scope="session")
def build():
    """A space of 24 tiny networks; eager, since tracing costs more than such a training."""

    def build_tiny(hp):
        layers = [
            keras.Input((6,)),
            keras.layers.Dense(
                hp.Int("units", 2, 7), activation=hp.Choice("act", ["relu", "tanh"])
            ),
            keras.layers.Dropout(hp.Choice("rate", [0.0, 0.25])),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
        model = keras.Sequential(layers)
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"], run_eagerly=True)
        return model

    return build_tiny


@pytest.fixture(scope="session")
def fit(data):
    """Arguments of a short `search`."""
    x, y = data
    return {"x": x, "y": y, "validation_split": 0.25, "epochs": 2, "batch_size": 64, "verbose": 0}
