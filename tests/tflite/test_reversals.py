"""What is turned round before it is joined with another branch keeps its values."""

import keras
import numpy as np

from kerasnas.export import to_tflite
from kerasnas.tflite.inspection import operators
from kerasnas.tflite.reversals import rescale_reversed

L = keras.layers


def test_sequences_both_ways(int8_within_steps):
    data = int8_within_steps(lambda x: L.Bidirectional(L.LSTM(8, return_sequences=True))(x))
    # The LSTM itself computes in the scale that is wanted.
    assert "QUANTIZE" not in [op.name for op in operators(data)]


def test_branches_of_unlike_ranges(int8_within_steps):
    large = keras.initializers.Constant(3)

    def layers(x):
        wide = L.Dense(4, kernel_initializer=large)(x)
        turned = L.LSTM(4, return_sequences=True)(x)
        ends = [keras.ops.flip(L.Dense(4)(x), 1), keras.ops.flip(wide, 1)]
        return L.Concatenate()([*ends, keras.ops.flip(turned, 1), turned])

    data = int8_within_steps(layers)
    kinds = [op.name for op in operators(data)]
    places = [place for place, kind in enumerate(kinds) if kind == "QUANTIZE"]
    assert places
    assert all(kinds[place + 1] == "REVERSE_V2" for place in places)
    assert rescale_reversed(data) == data


def test_a_reversal_alone_needs_no_conversion():
    entry = keras.Input((6, 4))
    model = keras.Model(entry, L.Dense(2)(keras.ops.flip(L.Dense(4)(entry), axis=1)))
    data = to_tflite(model, "int8", np.random.default_rng(0).normal(size=(32, 6, 4)))
    assert "QUANTIZE" not in [op.name for op in operators(data)]
