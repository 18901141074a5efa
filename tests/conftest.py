"""Settings that hold for every test."""

import gc
import importlib.util
import itertools
import os
import pathlib

# Before Keras, so that the processes that run the tests are quiet.
import kerasnas  # noqa: F401

# isort: split
import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite
from kerasnas.hypermodels.operations import names, parse
from kerasnas.tflite.inspection import output_steps
from kerasnas.tflite.isolated_runner import run_file

L = keras.layers
TESTS = itertools.count()


def pytest_runtest_setup() -> None:
    """Leaves what earlier tests have made out of the garbage collections of this one.

    Each search collects garbage between its trials. Over the models and graphs of a thousand tests
    that takes seconds, and over those of the last hundred none.
    """
    if next(TESTS) % 100 == 0:
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests of a `code` for the module's CODES, and for every operation not among them."""
    chosen = getattr(metafunc.module, "CODES", None)
    if chosen is not None and "code" in metafunc.fixturenames:
        covered = {"zero", *(parse(code)[0].name for code in chosen)}
        codes = [*chosen, *(example(name) for name in names() if name not in covered)]
        metafunc.parametrize("code", codes)


def example(name: str) -> str:
    """The code of an operation with the first value of each of its parameters."""
    values = {key: values[0] for key, values in parse(name)[0].parameters.items()}
    kernel = values.pop("kernel", None)
    return "_".join(
        [f"{name}{kernel}x{kernel}" if kernel else name]
        + [f"{key[0]}{value}" for key, value in values.items()]
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_folder() -> pathlib.Path:
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        pytest.skip("KERASNAS_DATA is not set: no data folder")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def streaming_files() -> dict[str, bytes]:
    """Two convolutions over time that take one step a call and keep the three before it.

    The variables that hold them begin as ones and as zeros. By quantization, "float32" and "int8".
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(4, 1, 3, 3)).astype("float32") for _ in range(2)]
    steps = [[rng.normal(size=(1, 1, 1, 3)).astype("float32")] for _ in range(20)]

    class Streaming(tf.Module):
        def __init__(self):
            self.kept = [tf.Variable(tf.fill((1, 3, 1, 3), begin)) for begin in (1.0, 0.0)]

        @tf.function(input_signature=[tf.TensorSpec((1, 1, 1, 3), tf.float32)])
        def __call__(self, x):
            for kept, kernel in zip(self.kept, kernels, strict=True):
                seen = tf.concat([kept.read_value(), x], axis=1)
                kept.assign(seen[:, 1:])
                x = tf.nn.relu(tf.nn.conv2d(seen, kernel, 1, "VALID"))
            return x

    module = Streaming()
    found = {}
    for quantization in ("float32", "int8"):
        function = module.__call__.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
        converter.experimental_enable_resource_variables = True
        if quantization == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: steps
        found[quantization] = converter.convert()
    return found


@pytest.fixture
def random_values():
    """Draws settings of a hypermodel's declared space."""

    def draw(space, count: int, rng: np.random.Generator) -> list[keras_tuner.HyperParameters]:
        declared = keras_tuner.HyperParameters()
        space.declare(declared)
        drawn = []
        for _ in range(count):
            hp = keras_tuner.HyperParameters.from_config(
                {"space": declared.get_config()["space"], "values": {}}
            )
            for parameter in hp.space:
                if hp.is_active(parameter):
                    hp.values[parameter.name] = parameter.values[
                        rng.integers(len(parameter.values))
                    ]
            drawn.append(hp)
        return drawn

    return draw


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).normal(size=(50, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="session")
def classifier():
    """A compiled classifier of four classes."""
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(4, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers], name="classifier")
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="session")
def classes(classifier, images):
    """Targets that the model gets right three times of four."""
    found = classifier.predict(images, verbose=0).argmax(-1)
    found[::4] = (found[::4] + 1) % 4
    return found


@pytest.fixture(scope="session")
def classifier_file(classifier, images):
    return to_tflite(classifier, "int8", images)


@pytest.fixture(scope="session")
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
