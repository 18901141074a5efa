"""The converter in a process of its own."""

import keras
import numpy as np
import pytest

from kerasnas.export import conversion, to_tflite
from kerasnas.runtime.child import Child

L = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(8, 3, dilation_rate=2),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(10),  # 1,280 weights: dynamic quantization leaves those below 1,024 alone.
        ]
    )


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).normal(size=(600, 8, 8, 3)).astype("float32")


def test_crash_of_the_converter_is_an_error(monkeypatch, capfd):
    monkeypatch.setattr(conversion, "check_layers", lambda model, quantization: None)
    model = keras.Sequential([keras.Input((6, 4)), L.GRU(5)])
    samples = np.random.default_rng(0).normal(size=(20, 6, 4))
    with pytest.raises(RuntimeError, match=r"converter crashed \(SIG\w+\).*said last:\n  \S"):
        to_tflite(model, "int8", representative_data=samples)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def converter(monkeypatch):
    """A converter of the test's own, so that the one of the other tests lives on."""
    made = Child(conversion._CHILD)
    monkeypatch.setattr(conversion, "_CONVERTER", made)
    yield made
    made.close()


def test_end_of_the_converter_says_why(monkeypatch, tmp_path, model, converter):
    child = tmp_path / "child.py"
    child.write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.stdin.readline().strip())\n"
        "(folder / 'log.txt').write_text('no such operator')\n"
        "sys.exit(7)\n"
    )
    monkeypatch.setattr(converter, "_script", child)
    with pytest.raises(RuntimeError, match=r"failed \(exit status 7\)[^$]*no such operator"):
        to_tflite(model)
    monkeypatch.undo()
    assert len(to_tflite(model)) > 1000


def test_a_failed_conversion_says_why_and_the_next_one_works(monkeypatch, tmp_path, converter):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RuntimeError, match=r"converter failed[^$]*FileNotFoundError"):
        conversion._run_child(empty, 60)
    child = converter._child
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    assert len(to_tflite(model)) == len(to_tflite(model)) > 500
    assert converter._child is child, "one child does all"


def test_time_limit(model, converter):
    with pytest.raises(TimeoutError, match=r"`timeout`=0\.01 seconds"):
        to_tflite(model, timeout=0.01)
    assert converter._child is None
    assert len(to_tflite(model)) > 1000
