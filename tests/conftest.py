"""Settings that hold for every test."""

import os
import pathlib

import keras_tuner
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


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
