"""Masks cross the bridge."""

import keras
import numpy as np
import pytest

from kerasnas.bridge import build, canonical, read
from kerasnas.compression import to_tf_keras

L = keras.layers


ops = keras.ops


WORDS = 8


def test_mask_of_an_embedding_reaches_the_recurrent_layer(randomise, assert_same):
    x = keras.Input((7,), dtype="int32")
    model = randomise(keras.Model(x, L.LSTM(4)(L.Embedding(5, 3, mask_zero=True)(x))))
    batch = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 3, 2, 1, 2, 0, 0]])
    assert_same(model, to_tf_keras(model), batch)


def words(mask_zero=True):
    return L.Embedding(10, 6, mask_zero=mask_zero, name="words")


@pytest.fixture
def sentences(rng):
    x = rng.integers(1, 10, (64, WORDS)).astype("int32")
    x[:, WORDS // 2 :] = 0
    return x


@pytest.mark.parametrize(
    "make",
    [
        lambda y: keras.ops.mean(y, axis=1),
        lambda y: keras.ops.softmax(y, axis=1),
        L.GlobalAveragePooling1D(),
    ],
    ids=["mean", "softmax", "layer"],
)
@pytest.mark.parametrize("rewrite", [lambda graph: graph, canonical], ids=["as it is", "canonical"])
def test_operations_see_no_mask_and_layers_do(make, rewrite, sentences):
    x = keras.Input((WORDS,), dtype="int32")
    model = keras.Model(x, make(L.Dense(3)(words()(x))))
    rebuilt = build(rewrite(read(model)))
    np.testing.assert_allclose(rebuilt(sentences), model(sentences), atol=1e-5)


def test_indices_may_be_cut_and_joined_before_they_are_looked_up(sentences):
    x = keras.Input((WORDS,), dtype="int32")
    joined = L.Concatenate()([x[:, 4:], x[:, :2]])
    model = keras.Model(x, L.Embedding(10, 3)(joined))
    np.testing.assert_allclose(to_tf_keras(model)(sentences), model(sentences), atol=1e-6)
