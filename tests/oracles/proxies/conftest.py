"""Networks small enough to compute by hand."""

import keras
import pytest


@pytest.fixture(scope="session")
def mlp():
    """Makes a Sequential model of layers, compiled where it is told how."""

    def make(*layers, inputs=3, **compile_options):
        model = keras.Sequential([keras.Input((inputs,)), *layers])
        if compile_options:
            model.compile(**compile_options)
        return model

    return make
