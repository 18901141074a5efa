"""Masks of Embeddings in quantization-aware training."""

import keras
import numpy as np
import pytest

from kerasnas.bridge import canonical, read
from kerasnas.compression import Quantize, compress
from kerasnas.export import Interpreter

L = keras.layers


WORDS = 8


def words(mask_zero=True):
    return L.Embedding(10, 6, mask_zero=mask_zero, name="words")


@pytest.fixture
def sentences(rng):
    x = rng.integers(1, 10, (64, WORDS)).astype("int32")
    x[:, WORDS // 2 :] = 0
    return x


def test_training_learns_nothing_from_what_a_mask_hides(sentences):
    keras.utils.set_random_seed(0)
    x = keras.Input((WORDS,), dtype="int32")
    y = L.Dense(8, activation="relu")(words()(x))
    model = keras.Model(x, L.Dense(1)(y))
    model.compile("adam", "mse")
    targets = np.where(sentences > 0, sentences / 10, 1000.0)[..., None]
    data = (sentences, targets.astype("float32"))
    step = Quantize("int8", epochs=40, learning_rate=1e-2)
    small = compress(model, [step], train_data=data, validation_data=data)
    assert "words" in small.report[-1]["method"]
    assert Interpreter(small.tflite).output_dtypes == ["int8"]
    given = Interpreter(small.tflite).predict(sentences)[:, : WORDS // 2, 0]
    assert np.abs(given - sentences[:, : WORDS // 2] / 10).mean() < 0.3


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (L.LSTM(4, name="reads"), r"'reads' \(LSTM\): with the mask .* unroll=True"),
        (L.GlobalAveragePooling1D(name="reads"), r"'dynamic'[^$]*'reads' \(Global.*Embedding"),
    ],
)
def test_what_computes_with_a_mask_is_refused(layer, message):
    x = keras.Input((WORDS,), dtype="int32")

    def graph(mask_zero):
        y = layer(L.Dense(6)(words(mask_zero)(x)))
        return canonical(read(keras.Model(x, L.Dense(2)(y))))

    with pytest.raises(ValueError, match=message):
        Quantize("int8").check(graph(True))
    Quantize("int8").check(graph(False))


def test_a_masking_layer_is_refused():
    x = keras.Input((WORDS, 3))
    model = keras.Model(x, L.Dense(2)(L.Flatten()(L.Masking(name="hides")(x))))
    with pytest.raises(ValueError, match=r"'dynamic'[^$]*'hides' \(Masking\).* leave it out"):
        Quantize("int8").check(canonical(read(model)))
