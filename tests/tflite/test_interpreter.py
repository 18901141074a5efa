import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, to_tflite


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
