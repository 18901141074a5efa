"""Layers that run other layers: costs against those of the file."""

import keras
import pytest
from keras import layers

SEQUENCE = (6, 8)


def small_network(*tail):
    return keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(4, 3), layers.BatchNormalization(), *tail]
    )


STEPS = [
    (SEQUENCE, lambda x: layers.TimeDistributed(layers.Dense(3, activation="relu"))(x)),
    ((3, 8, 8, 2), lambda x: layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"))(x)),
    ((3, 4, 2), lambda x: layers.TimeDistributed(layers.Flatten())(x)),
    ((3, 4, 2), lambda x: layers.TimeDistributed(layers.BatchNormalization())(x)),
    ((3, 4, 4, 2), lambda x: layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)),
    (
        (3, 8, 8, 2),
        lambda x: layers.TimeDistributed(
            small_network(layers.MaxPooling2D(), layers.Flatten(), layers.Dense(5))
        )(x),
    ),
    (
        (3, 8, 8, 2),
        lambda x: layers.TimeDistributed(
            small_network(layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(5))
        )(x),
    ),
]

BOTH_WAYS = [
    (SEQUENCE, lambda x: layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)),
    (SEQUENCE, lambda x: layers.Bidirectional(layers.LSTM(4), merge_mode="sum")(x)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_steps_cost_what_their_file_costs(dtype, compare_all):
    # Of many branches: steps are a batch.
    compare_all(STEPS, dtype, head={"int8": 0.04}.get(dtype, 0))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_both_ways_cost_what_their_file_costs(dtype, compare_all):
    compare_all(BOTH_WAYS, dtype)
