import keras
import numpy as np
import pytest

from kerasnas.export import to_tflite

L = keras.layers


@pytest.fixture(scope="package")
def images():
    return np.random.default_rng(0).normal(size=(50, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="package")
def classifier():
    """A compiled classifier of four classes."""
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(4, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers], name="classifier")
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="package")
def classes(classifier, images):
    """Targets that the model gets right three times of four."""
    found = classifier.predict(images, verbose=0).argmax(-1)
    found[::4] = (found[::4] + 1) % 4
    return found


@pytest.fixture(scope="package")
def classifier_file(classifier, images):
    return to_tflite(classifier, "int8", images)
