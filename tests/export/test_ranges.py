"""Ranges that 8 bits do not suit."""

import warnings

import keras
import numpy as np
import pytest

from kerasnas.export import WrongFileError, to_tflite

L = keras.layers


RNG = np.random.default_rng(0)


X = [RNG.normal(size=(64, 4)).astype("float32") for _ in range(2)]


def branches(scales):
    """One branch for each scale, joined, and weighed alike by the layer that follows."""
    keras.utils.set_random_seed(0)
    tensor = keras.Input((4,))
    dense = [L.Dense(8, name=f"branch_{n}", use_bias=False) for n in range(len(scales))]
    last = L.Dense(1)
    made = keras.Model(tensor, last(L.Concatenate(name="join")([layer(tensor) for layer in dense])))
    for layer, scale in zip(dense, scales, strict=True):
        layer.kernel.assign(layer.kernel * scale)
    last.kernel.assign(last.kernel / np.repeat(scales, 8)[:, np.newaxis])
    return made


def test_a_branch_that_is_lost_beside_another_is_named():
    said = r"'branch_1' \(up to .*'join'; normalize it before"
    for scale in (50.0, 1000.0):
        with pytest.warns(UserWarning, match=said):
            to_tflite(branches([scale, 1.0, scale]), "int8", X[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        to_tflite(branches([3.0, 1.0]), "int8", X[0])


OPS = keras.ops


IMAGES = RNG.normal(size=(40, 8, 8, 2)).astype("float32")


def on(x, layers, dtype=None):
    """A model of one input for samples."""
    keras.utils.set_random_seed(0)
    tensor = keras.Input(x.shape[1:], dtype=dtype or x.dtype.name, name="entry")
    return keras.Model(tensor, layers(tensor))


def test_a_range_in_which_all_is_lost_is_named():
    widths = [[0, 0], [1, 1], [1, 1], [0, 0]]

    def layers(x):
        padded = OPS.pad(L.Conv2D(2, 1)(x), widths, constant_values=-1e36)
        return L.Flatten()(L.MaxPooling2D(2)(padded))

    with pytest.raises(WrongFileError, match=r"all else is lost: 'pad\w*' \(up to 1e\+36\)"):
        to_tflite(on(IMAGES, layers), "int8", IMAGES)
