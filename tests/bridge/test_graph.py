"""What is read from a Keras model."""

import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras

L = keras.layers


ops = keras.ops


IMAGE, LINE, ROW = (8, 8, 4), (9, 4), (6,)


def test_shared_layer_stays_shared(randomise, assert_same):
    x, y = keras.Input(ROW), keras.Input(ROW)
    dense = L.Dense(4, name="shared")
    model = randomise(keras.Model([x, y], L.Subtract()([dense(x), dense(y)])))
    rebuilt = to_tf_keras(model)
    assert len(rebuilt.weights) == 2
    batch = [np.ones((2, 6), "float32"), np.arange(12, dtype="float32").reshape(2, 6)]
    assert_same(model, rebuilt, batch)


def test_nested_models_are_inlined_and_names_stay_unique(randomise, assert_same):
    def inner():
        model = keras.Sequential([keras.Input(IMAGE), L.Conv2D(4, 3, padding="same", name="conv")])
        model.add(L.BatchNormalization(name="norm"))
        return model

    first, second = inner(), inner()
    x = keras.Input(IMAGE)
    model = randomise(keras.Model(x, second(first(first(x)))))
    rebuilt = to_tf_keras(model)
    names = [layer.name for layer in rebuilt.layers[1:]]
    assert names == ["conv", "norm", "conv_1", "norm_1"]
    assert_same(model, rebuilt, np.random.default_rng(0).normal(size=(2, *IMAGE)).astype("f4"))


def test_several_inputs_and_outputs_keep_their_order(randomise):
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    x, y = L.Dense(2, name="big")(a), L.Dense(7, name="small")(b)
    model = randomise(keras.Model([a, b], [y, x]))
    rebuilt = to_tf_keras(model)
    assert [tuple(t.shape) for t in rebuilt.inputs] == [(None, 3), (None, 5)]
    assert [tuple(t.shape) for t in rebuilt.outputs] == [(None, 7), (None, 2)]


def test_inputs_and_outputs_by_name(randomise, assert_same):
    a, b = keras.Input((3,), name="z"), keras.Input((3,), name="a")
    model = randomise(keras.Model({"z": a, "a": b}, {"out": L.Subtract()([a, b])}))
    batch = {"a": np.ones((2, 3), "f4"), "z": np.arange(6, dtype="f4").reshape(2, 3)}
    assert_same(model, to_tf_keras(model), batch)


def test_every_layer_that_tf_keras_cannot_take_is_named_at_once():
    x = keras.Input(LINE, batch_size=2)
    words = keras.Input((1,), dtype="string", name="words")
    y = L.LSTM(3, stateful=True, name="one")(x)
    z = L.Conv2D(2, 3, data_format="channels_first", padding="same", name="two")
    w = L.StringLookup(vocabulary=["a"], name="three")(words)
    with pytest.raises(ValueError, match="cannot be rebuilt") as error:
        to_tf_keras(keras.Model([x, words], [y, z(L.Reshape((1, 9, 4))(x)), w]))
    message = str(error.value)
    for part in (
        "'one' (LSTM): stateful=True",
        "'two' (Conv2D): data_format='channels_first'",
        "'three' (StringLookup): it looks its input up",
        "'words' (InputLayer): strings",
    ):
        assert part in message
