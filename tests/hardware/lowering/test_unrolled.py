"""Recurrent layers that are unrolled: costs against those of the file."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasnas as kn

UNROLLED = [
    ((7, 3), lambda x: layers.SimpleRNN(4, unroll=True, go_backwards=True)(x)),
    ((4, 5), lambda x: layers.GRU(3, unroll=True, return_sequences=True)(x)),
    ((3, 4), lambda x: layers.RNN(layers.GRUCell(3), unroll=True)(x)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_unrolled_cost_what_their_file_costs(dtype, compare_all):
    compare_all(UNROLLED, dtype)


def test_an_unrolled_lstm_costs_what_its_file_costs(rng, compare):
    """In 8 bits the first forget gate, which nothing reads, may stay in floating point."""
    model = keras.Sequential([keras.Input((7, 5)), layers.LSTM(6, unroll=True), layers.Dense(2)])
    compare(model, "float32", slack=100)
    data = rng.random((8, 7, 5), dtype=np.float32)
    file = kn.export.to_tflite(model, "int8", data)
    profile, real = kn.profile(model), kn.hardware.profile_tflite(file)
    assert profile.macs == real.macs
    assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=0.05)
    assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.05)
