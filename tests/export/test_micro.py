"""Files for microcontrollers are run on TensorFlow Lite Micro; what it cannot run is named."""

import importlib.util

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.compression import Quantize, compress
from kerasnas.export import WrongFileError, c_array, micro, to_mixed_tflite, to_tflite, verify
from kerasnas.tuners.tflite_objectives import TFLiteScorer

L = keras.layers
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 8, 8, 2)).astype("uint8")
TARGETS = RNG.normal(size=(40, 2)).astype("float32")
VECTORS = RNG.normal(size=(40, 6)).astype("float32")

needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


@pytest.fixture(scope="module")
def camera():
    """Pixels of uint8, which a file of floats casts; an int8 file takes them as int8."""
    keras.utils.set_random_seed(0)
    first = [keras.Input((8, 8, 2), dtype="uint8"), L.Rescaling(1 / 255, name="scale")]
    model = keras.Sequential([*first, L.Conv2D(3, 3), L.Flatten(), L.Dense(2)])
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def gelu():
    """A layer that TensorFlow Lite Micro has no kernel of, and one behind it."""
    keras.utils.set_random_seed(0)
    layers = [L.Dense(4), L.Activation("gelu", name="act"), L.Dense(2)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile("adam", "mse")
    return model


@needs_micro
def test_an_operator_that_does_not_take_its_input_is_named_wherever_a_file_goes(camera):
    cast = r"CAST of 'scale'"
    with pytest.raises(WrongFileError, match=rf"float32 file of .* target='micro'.*{cast}") as e:
        to_tflite(camera, representative_data=PIXELS, target="micro")
    with pytest.raises(ValueError, match=cast):
        verify(e.value.tflite, PIXELS, TARGETS, target="micro")
    with pytest.raises(ValueError, match=cast):
        c_array(e.value.tflite)


def test_source_that_was_not_run_says_so(monkeypatch, classifier_file):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "was not run" in c_array(classifier_file)["model.h"]


@needs_micro
def test_source_that_was_run_says_nothing(classifier_file):
    assert "was not run" not in c_array(classifier_file)["model.h"]


@needs_micro
def test_operators_without_a_kernel_are_named(gelu):
    with pytest.raises(
        WrongFileError, match=r"cannot run GELU of 'act'\. .* operator GELU"
    ) as error:
        to_tflite(gelu, "float32", VECTORS, target="micro")
    with pytest.raises(ValueError, match=r"lacks operators of the file: GELU of 'act'"):
        c_array(error.value.tflite)
    # The last layer's name is not in the file.
    last = keras.Model(gelu.inputs, gelu.get_layer("act").output)
    with pytest.raises(WrongFileError, match=r"GELU of 'act'"):
        to_tflite(last, target="micro")


@needs_micro
def test_only_the_file_that_is_deployed_must_suit_the_target(camera, gelu):
    data = {"train_data": (PIXELS, TARGETS), "validation_data": (PIXELS, TARGETS)}
    small = compress(camera, [Quantize("int8", method="ptq")], target="micro", **data)
    assert small.report[0]["step"] == "float"
    data = {"train_data": (VECTORS, TARGETS), "validation_data": (VECTORS, TARGETS)}
    with pytest.raises(WrongFileError, match=r"GELU of 'act'"):
        compress(gelu, [Quantize("float16")], target="micro", **data)


@needs_micro
def test_a_search_for_microcontrollers_fails_what_they_do_not_run(camera, gelu, tmp_path):
    validation = (VECTORS, TARGETS, None)
    score = TFLiteScorer((VECTORS, TARGETS), validation)
    assert score(gelu, [Quantize("float16")], ["tflite_size"])["tflite_size"] > 0
    for recipe in ([Quantize("float16")], [Quantize("float32")]):
        score = TFLiteScorer((VECTORS, TARGETS), validation, target="micro")
        with pytest.raises(keras_tuner.errors.FailedTrialError, match=r"GELU of 'act'"):
            score(gelu, recipe, ["tflite_size"])

    def build(hp):
        model = keras.models.clone_model(camera)
        model.compile("adam", "mse")
        return model

    fit = {"x": PIXELS, "y": TARGETS, "validation_data": (PIXELS, TARGETS)}
    tuner = kn.Random(
        build, "val_tflite_loss", max_trials=1, seed=0, directory=tmp_path, target="micro"
    )
    tuner.search(**fit, epochs=1, verbose=0)
    assert tuner.results()[0]["status"] == "COMPLETED"
    (found,) = tuner.rerank(1, **fit, recipe=[Quantize("float32")])
    assert "CAST of 'scale'" in found["message"]


@needs_micro
def test_a_file_that_gives_something_else_there_is_refused(monkeypatch, camera):
    run = micro.run_file
    monkeypatch.setattr(micro, "run_file", lambda *given: [array + 1 for array in run(*given)])
    with pytest.raises(WrongFileError, match=r"int8 file of .*differs from LiteRT by 1"):
        to_tflite(camera, "int8", PIXELS, target="micro")


def test_the_target_must_be_known_and_installed_before_any_work(monkeypatch, gelu, tmp_path):
    pair = (VECTORS, TARGETS)
    made_by = [
        lambda target: to_tflite(gelu, target=target),
        lambda target: to_mixed_tflite(gelu, VECTORS, 1, target=target),
        lambda target: compress(
            gelu, [Quantize()], train_data=pair, validation_data=pair, target=target
        ),
        lambda target: kn.Random(
            lambda hp: gelu, "val_loss", max_trials=1, directory=tmp_path, target=target
        ),
        lambda target: verify(b"", *pair, target=target),
    ]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for make in made_by:
        with pytest.raises(ValueError, match="`target` must be 'litert' or 'micro'"):
            make("phone")
        with pytest.raises(ImportError, match=r"pip install 'kerasnas\[micro\]'"):
            make("micro")
