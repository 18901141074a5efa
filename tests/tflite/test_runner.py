"""A file on its samples, one after the other."""

import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.isolated_runner import run_file


@pytest.fixture(scope="module")
def data():
    return to_tflite(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))


RUNTIMES = [
    "litert",
    "reference",
    pytest.param(
        "micro",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
        ),
    ),
]


@pytest.mark.parametrize("quantization", ["float32", "int8"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_sample_starts_from_the_variables_of_the_file(streaming_files, quantization, runtime):
    """Alone or among others, first or last, a sample gives the same."""
    data = streaming_files[quantization]
    x = np.random.default_rng(1).normal(size=(6, 1, 1, 3)).astype("float32")
    (found,) = run_file(data, [x], runtime, 60)
    alone = [run_file(data, [x[row : row + 1]], runtime, 60)[0] for row in (0, 5)]
    assert np.array_equal(found[[0, 5]], np.concatenate(alone))
    assert np.array_equal(run_file(data, [x[::-1]], runtime, 60)[0], found[::-1])
    if runtime == "litert":
        interpreter = Interpreter(data)
        for _ in range(2):
            assert np.array_equal(interpreter.predict(x), found)


def test_state_that_can_be_reset_needs_no_new_interpreter(monkeypatch, data):
    from ai_edge_litert import interpreter as litert

    made = []
    start = litert.Interpreter.__init__
    monkeypatch.setattr(
        litert.Interpreter, "__init__", lambda *given, **named: made.append(start(*given, **named))
    )
    Interpreter(data).predict(np.zeros((5, 3)))
    assert len(made) == 1
