"""Layers that the converter cannot convert are named before it starts."""

import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import to_tflite

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


def test_the_extra_of_4_bits_is_named(monkeypatch, model):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'kerasnas\[int4\]'"):
        to_tflite(model, "int4")


@pytest.fixture(scope="module")
def sequences():
    return np.random.default_rng(0).normal(size=(60, 6, 4)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "quantization", "message"),
    [
        (L.GRU(5, name="mine"), "int8", r"'mine' \(GRU\): its loop .*LSTM.*unroll=True"),
        (L.SimpleRNN(5, name="mine"), "int16x8", r"'mine' \(SimpleRNN\): its loop"),
        (L.LSTM(5, activation="relu", name="mine"), "int8", r"'mine' \(LSTM\): only .*'tanh'"),
        (L.LSTM(5, use_bias=False, name="mine"), "int8", r"'mine' \(LSTM\): only .*use_bias=True"),
        (L.LSTM(5, name="mine"), "int16x8", r"'mine' \(LSTM\): it has an int8 form only"),
        (L.LayerNormalization(name="mine"), "int16x8", r"'mine' \(LayerNorm.*BatchNorm"),
    ],
)
def test_layers_that_end_the_converter_are_named_first(
    monkeypatch, sequences, layer, quantization, message
):
    monkeypatch.setattr("kerasnas.export.conversion._run_child", None)
    model = keras.Sequential([keras.Input((6, 4)), layer])
    with pytest.raises(
        ValueError, match=rf"(?s)'float16', 'dynamic' and 'float32' work.*{message}"
    ):
        to_tflite(model, quantization, representative_data=sequences)


def test_an_index_beyond_the_table_is_told_with_the_layer(monkeypatch):
    monkeypatch.setattr("kerasnas.export.conversion._run_child", None)
    words = keras.Input((6,), dtype="int32", name="words")
    tables = [L.Embedding(n, 4, name=f"table_{n}") for n in (900, 10)]
    flat = L.Flatten()(L.Concatenate()([tables[0](words), tables[1](words // 100)]))
    model = keras.Model(words, L.Dense(2)(flat))
    data = np.random.default_rng(0).integers(0, 900, (40, 6))
    for index, said in (
        (950, r"'table_900' \(Embedding\) .* 0 to 899, .* 900\. Received: the index 950"),
        (-1, r"'table_\d+' .* Received: the index -1"),
    ):
        wrong = data.copy()
        wrong[3, 2] = index
        for bits in ("int8", "float32"):
            with pytest.raises(ValueError, match=said):
                to_tflite(model, bits, wrong)


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("masked", ["embedding", "masking"])
def test_an_lstm_with_a_mask_is_named_first(monkeypatch, masked, both_ways):
    monkeypatch.setattr("kerasnas.export.conversion._run_child", None)
    if masked == "embedding":
        x = keras.Input((6,), dtype="int32")
        y, data = L.Embedding(9, 4, mask_zero=True)(x), np.arange(60).reshape(10, 6) % 9
    else:
        x = keras.Input((6, 4))
        y, data = L.Masking()(x), np.random.default_rng(0).normal(size=(10, 6, 4))
    layer = L.LSTM(3, return_sequences=True)
    y = L.Bidirectional(layer, name="mine")(y) if both_ways else L.LSTM(3, name="mine")(y)
    model = keras.Model(x, L.Dense(2)(y))
    with pytest.raises(ValueError, match=r"'mine' \(\w+\): with the mask .*unroll=True"):
        to_tflite(model, "int8", data)
