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
