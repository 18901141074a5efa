import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.inspection import output_steps
from kerasnas.tflite.isolated_runner import run_file

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


@pytest.fixture(scope="package")
def int8_within_steps():
    """Checks an int8 file of layers that read six steps of four values, and returns it."""

    def check(layers):
        keras.utils.set_random_seed(1)
        entry = keras.Input((6, 4))
        model = keras.Model(entry, layers(entry))
        x = np.random.default_rng(0).normal(size=(64, 6, 4)).astype("float32")
        data = to_tflite(model, "int8", x)
        (step,) = output_steps(data)
        # Roundings take a value some steps from the float model's.
        assert np.abs(Interpreter(data).predict(x) - model.predict(x, verbose=0)).max() < 4 * step
        if importlib.util.find_spec("tflite_micro") is not None:
            micro, litert = (run_file(data, [x], runtime, 60)[0] for runtime in ("micro", "litert"))
            assert np.abs(micro - litert).max() < 2.1 * step
        return data

    return check
