"""Strided 1×1 convolutions: the same results, and gradients that a child process survives."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.utils.layers import every_layer
from kerasnas.utils.strided_pointwise import (
    dangerous_transposed,
    restore,
    subsample_first,
    subsampled_first,
)

# Trains a layer of one of the two Kerases on an odd batch: the process ends where it is not cured.
CHILD = """
import importlib, sys
import numpy as np
from kerasnas.utils.layers import every_layer
from kerasnas.utils.strided_pointwise import subsampled_first
library, kind, *shape = sys.argv[1:]
keras = importlib.import_module(library)
shape = [int(size) for size in shape]
layers = keras.layers
model = keras.Sequential([
    layers.Input(shape), getattr(layers, kind)(8, 1, 2), layers.Flatten(), layers.Dense(1),
])
model.compile("sgd", "mse", run_eagerly=True)
with subsampled_first(every_layer(model)):
    for batch in (63, 7, 1):
        model.fit(np.ones((batch, *shape)), np.ones(batch), batch, epochs=3, verbose=0)
print("lives")
"""


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rank=st.integers(1, 3),
    stride=st.integers(2, 4),
    channels=st.integers(1, 15),
    size=st.integers(3, 9),
    batch=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
)
def test_the_result_is_the_same(rank, stride, channels, size, batch, padding):
    layer = getattr(keras.layers, f"Conv{rank}D")(5, 1, stride, padding, activation="relu")
    x = np.random.default_rng(0).normal(size=(batch, *[size] * rank, channels)).astype("float32")
    before = np.array(layer(x))
    assert subsample_first([layer]) == [layer]
    np.testing.assert_allclose(np.array(layer(x)), before, atol=1e-6)
    assert layer.strides == (stride,) * rank
    assert subsample_first([layer]) == []  # It is done once.
    restore([layer])
    np.testing.assert_array_equal(np.array(layer(x)), before)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(8, 1),
        keras.layers.Conv2D(8, 3, 2),
        keras.layers.Conv2D(8, (1, 3), 2),
        keras.layers.DepthwiseConv2D(1, 2),
        keras.layers.SeparableConv2D(8, 1, 2),
        keras.layers.MaxPooling2D(1, 2),
    ],
)
def test_other_layers_stay(layer):
    layer.build((None, 8, 8, 4))
    assert subsample_first([layer]) == []


def test_layers_of_16_channels_stay_and_unbuilt_ones_are_told_apart_later():
    wide = keras.layers.Conv2D(8, 1, 2)
    wide.build((None, 8, 8, 16))
    assert subsample_first([wide]) == []
    unbuilt = keras.layers.Conv2D(8, 1, 2)
    assert subsample_first([unbuilt]) == [unbuilt]
    assert unbuilt(np.ones((1, 9, 9, 16), "float32")).shape == (1, 5, 5, 8)


def test_layers_inside_of_others_are_found_and_a_model_can_be_saved(tmp_path):
    inner = keras.Sequential([keras.layers.Conv2D(4, 1, 2)])
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.TimeDistributed(inner)][:1])
    model.add(inner)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    before = np.array(model(x))
    with subsampled_first(every_layer(model)):
        model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.array(again(x)), before, atol=1e-6)


def test_subclasses_are_convolutions_and_namesakes_are_not():
    class Mine(keras.layers.Conv2D):
        pass

    class Conv1D(keras.layers.Layer):
        kernel_size = 3

    class Conv2D(keras.layers.Layer):
        pass

    mine = Mine(8, 1, 2)
    assert subsample_first([Conv1D(), Conv2D(), mine]) == [mine]
    assert dangerous_transposed([Conv1D(), Conv2D(), mine]) == []
    transposed = tf_keras.layers.Conv2DTranspose(8, 1, 2)
    transposed.build((None, 4, 4, 2))
    assert subsample_first([transposed]) == []


def test_transposed_ones_are_named():
    narrow = keras.layers.Conv2DTranspose(8, 1, 2)
    others = [keras.layers.Conv2DTranspose(16, 1, 2), keras.layers.Conv2DTranspose(8, 2, 2)]
    assert dangerous_transposed([narrow, *others, keras.layers.Dense(2)]) == [narrow]


@pytest.mark.parametrize(
    ("library", "kind", "shape"),
    [
        ("keras", "Conv1D", (64, 6)),
        ("keras", "Conv2D", (48, 48, 8)),
        ("tf_keras", "Conv2D", (48, 48, 8)),
    ],
)
def test_odd_batches_are_trained(library, kind, shape):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, library, kind, *map(str, shape)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "lives" in done.stdout
