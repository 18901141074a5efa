import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, c_array, compress_tables, to_tflite, verify
from kerasnas.tflite.inspection import operators

L = keras.layers

needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


@pytest.fixture(scope="module")
def clustered(images):
    """A file whose kernels hold 8 values."""
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(16, 3, activation="relu"), L.DepthwiseConv2D(3), L.Conv2D(64, 3)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, L.Flatten(), L.Dense(4)])
    centres = np.linspace(-0.3, 0.3, 8)
    for weight in model.weights:
        if len(weight.shape) > 1:
            values = keras.ops.convert_to_numpy(weight)
            nearest = np.abs(values[..., np.newaxis] - centres).argmin(-1)
            weight.assign(centres[nearest])
    return to_tflite(model, "int8", images)


@needs_micro
def test_a_clustered_file_gets_smaller_and_does_the_same(clustered, images):
    smaller = compress_tables(clustered)
    kinds = [op.name for op in operators(smaller)]
    # The first kernels are too small to gain by it.
    assert kinds[:4] == ["CONV_2D", "DEPTHWISE_CONV_2D", "TFLM_DECODE", "CONV_2D"]
    assert len(smaller) < 0.65 * len(clustered)
    y = Interpreter(clustered).predict(images)
    assert verify(smaller, images, y, target="micro").metrics["mean_squared_error"] < 1e-4
    assert "resolver.AddDecode();" in c_array(smaller)["model.h"]


@needs_micro
def test_a_file_with_nothing_to_gain_is_refused(classifier_file):
    with pytest.raises(ValueError, match=r"cluster the weights first"):
        compress_tables(classifier_file)


def test_the_extra_is_named_when_it_is_missing(monkeypatch, classifier_file):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"kerasnas\[micro\]"):
        compress_tables(classifier_file)


def test_what_is_no_file_is_refused():
    with pytest.raises(ValueError, match=r"\.tflite file"):
        compress_tables(b"no file")


@needs_micro
def test_other_outputs_are_an_error(monkeypatch, clustered):
    from kerasnas.export import tables

    count = iter(range(2))
    monkeypatch.setattr(tables, "run_file", lambda *given: [np.full((1, 4), float(next(count)))])
    with pytest.raises(RuntimeError, match=r"gives other outputs .*difference: 1"):
        compress_tables(clustered)
