import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.isolated_runner import run_file


@pytest.fixture(scope="module")
def data():
    return to_tflite(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))


def test_nothing_reaches_the_terminal(data, capfd):
    Interpreter(data).predict(np.zeros((2, 3)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4)), r"shape \('samples', 3\)\. Received: shape \(2, 4\)"),
        (np.zeros(3), r"shape \('samples', 3\)\. Received: shape \(3,\)"),
        (np.zeros((0, 3)), "at least one sample"),
    ],
)
def test_wrong_input(data, x, message):
    with pytest.raises(ValueError, match=message):
        Interpreter(data).predict(x)


def test_wrong_number_of_inputs():
    a, b = keras.Input((3,)), keras.Input((3,))
    interpreter = Interpreter(to_tflite(keras.Model([a, b], keras.layers.Add()([a, b]))))
    with pytest.raises(ValueError, match=r"list of 2 arrays.*Received: 1 arrays"):
        interpreter.predict([np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"as many for every input. Received: \[2, 3\]"):
        interpreter.predict([np.zeros((2, 3)), np.zeros((3, 3))])


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


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\0" * 5000, 3, None])
def test_bytes_of_something_else(garbage):
    with pytest.raises(ValueError, match=r"bytes of a \.tflite file"):
        Interpreter(garbage)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(data, share):
    with pytest.raises(ValueError, match=r"damaged|cannot run"):
        Interpreter(data[: int(len(data) * share)])


def test_a_file_is_given_by_its_path_or_its_bytes(classifier_file, images, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(classifier_file)
    want = Interpreter(classifier_file).predict(images[:3])
    for given in (path, str(path)):
        np.testing.assert_array_equal(Interpreter(given).predict(images[:3]), want)
    with pytest.raises(FileNotFoundError):
        Interpreter(tmp_path / "no such file")
