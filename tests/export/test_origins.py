"""What cannot run, or stays in float, is named with its layer; what can be made right is."""

import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.compression import Quantize, compress
from kerasnas.export import Interpreter, WrongFileError, to_tflite
from kerasnas.tflite.inspection import ends, operators
from kerasnas.tflite.isolated_runner import run_file

L = keras.layers


OPS = keras.ops


RNG = np.random.default_rng(0)


VECTORS = RNG.normal(size=(40, 6)).astype("float32")


IMAGES = RNG.normal(size=(40, 8, 8, 2)).astype("float32")


PIXELS = RNG.integers(0, 250, (40, 8, 8, 2)).astype("uint8")


has_micro = importlib.util.find_spec("tflite_micro") is not None


def on(x, layers, dtype=None):
    """A model of one input for samples."""
    keras.utils.set_random_seed(0)
    tensor = keras.Input(x.shape[1:], dtype=dtype or x.dtype.name, name="entry")
    return keras.Model(tensor, layers(tensor))


def agree(model, data, x):
    """Whether the file gives what the model gives, also on TensorFlow Lite Micro."""
    want = model.predict(x, verbose=0)
    found = Interpreter(data).predict(x)
    assert np.corrcoef(want.ravel(), found.ravel())[0, 1] > 0.99
    if has_micro:
        (found,) = run_file(data, [x], "micro", 60)
        assert np.corrcoef(want.ravel(), found.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("bits", ["float32", "float16", "dynamic", "int8"])
def test_the_place_of_the_largest_as_an_output(bits):
    model = on(VECTORS, lambda x: OPS.argmax(L.Dense(8)(x), axis=-1))
    data = to_tflite(model, bits, VECTORS)
    assert ends(data, "output")[0].dtype == "int32"
    same = Interpreter(data).predict(VECTORS) == model.predict(VECTORS, verbose=0)
    assert same.mean() > 0.9


def test_places_of_other_kinds():
    def layers(x):
        y = L.Reshape((2, 4))(L.Dense(8)(x))
        return [
            OPS.argmax(y, axis=1, keepdims=True),
            OPS.argmin(y, axis=-1),
            OPS.argmax(-y, axis=2),
        ]

    model = on(VECTORS, layers)
    found = Interpreter(to_tflite(model)).predict(VECTORS)
    for want, have in zip(model.predict(VECTORS, verbose=0), found, strict=True):
        np.testing.assert_array_equal(want, have)


@pytest.mark.parametrize(
    "first",
    [
        lambda x: L.Rescaling(1 / 127.5, -1.0)(x),
        lambda x: L.Rescaling(1 / 255)(L.MaxPooling2D(2)(x)),
        lambda x: L.Normalization(mean=[120.0, 90.0], variance=[900.0, 400.0])(x),
    ],
)
def test_pixels_of_uint8_are_int8_in_steps_of_one(first):
    model = on(PIXELS, lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(4, 3)(first(x)))))
    data = to_tflite(model, "int8", PIXELS)
    (entry,) = ends(data, "input")
    assert (entry.dtype, entry.scale, entry.zero_point) == ("int8", 1.0, -128)
    assert "CAST" not in [op.name for op in operators(data)]
    agree(model, data, PIXELS)


def test_pixels_that_leave_the_model_stay_integers():
    model = on(PIXELS, lambda x: [L.Flatten()(L.Rescaling(1 / 255)(x)), L.Cropping2D(2)(x)])
    data = to_tflite(model, "int8", PIXELS)
    assert ends(data, "input")[0].dtype == "uint8"
    want, found = model.predict(PIXELS, verbose=0), Interpreter(data).predict(PIXELS)
    np.testing.assert_array_equal(want[1], found[1])


def test_indices_in_floats_are_read_as_integers():
    words = RNG.integers(0, 1000, (40, 6)).astype("float32")
    model = on(words, lambda x: L.Dense(3)(L.Flatten()(L.Embedding(1000, 4)(x))))
    data = to_tflite(model, "int8", words)
    assert ends(data, "input")[0].dtype == "int32"
    agree(model, data, words)


@pytest.mark.filterwarnings("ignore:The int8 file of")
def test_what_stays_in_float_is_named():
    model = on(VECTORS, lambda x: L.Dense(3)(OPS.erf(L.Dense(8, name="below")(x))))
    with pytest.raises(ValueError, match=r"no operator for Erf of 'erf'"):
        to_tflite(model, "int8", VECTORS)
    model = on(VECTORS, lambda x: L.Dense(3)(OPS.floor(L.Dense(8)(x))))
    with pytest.warns(UserWarning, match=r"in floating point: FLOOR of 'floor\w*'"):
        to_tflite(model, "int8", VECTORS)
    model.compile("adam", "mse")
    data = VECTORS, model.predict(VECTORS, verbose=0)
    step = Quantize("int8", method="ptq")
    with pytest.raises(RuntimeError, match=r"left operators in float: FLOOR of 'floor"):
        compress(model, [step], train_data=data, validation_data=data)


@pytest.mark.parametrize("bits", ["float32", "int8"])
def test_what_no_file_can_hold_is_named(bits):
    model = on(VECTORS, lambda x: L.Dense(3)(OPS.erfinv(OPS.tanh(L.Dense(8)(x)))))
    with pytest.raises(ValueError, match=r"no operator for Erfinv of 'erfinv\w*'") as error:
        to_tflite(model, bits, VECTORS)
    assert len(str(error.value)) < 200


def test_what_litert_does_not_prepare_is_named(monkeypatch):
    from kerasnas.export import fidelity

    def refuse(*given):
        raise ValueError(
            "cannot run `file`: a.cc:1 b != c Node number 1 (RESHAPE) failed to prepare."
        )

    monkeypatch.setattr(fidelity, "run_file", refuse)
    model = on(IMAGES, lambda x: L.Dense(2)(L.Flatten(name="flat")(L.Conv2D(2, 1)(x))))
    with pytest.raises(WrongFileError, match=r"because of RESHAPE of 'flat'\. cannot"):
        to_tflite(model)
