"""What dense layers read before offsets and axes, against the file."""

import pytest
from keras import layers

IMAGE = (8, 8, 4)
SEQUENCE = (6, 8)
VECTOR = (12,)


def act(name):
    return layers.Activation(name)


def several(x, *readers):
    """One output of several layers that read the same."""
    return layers.Concatenate()([read(x) for read in readers])


def normalized(x):
    return layers.BatchNormalization()(x)


# A biased dense layer takes factors and offsets before it, those of a kernel too.
READ_BEFORE_AN_OFFSET = [
    (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), act("sigmoid"))),
    (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), layers.Dense(5))),
    (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), layers.ReLU())),
    (VECTOR, lambda x: several(layers.Dense(3)(x), layers.ReLU(), act("sigmoid"))),
    (VECTOR, lambda x: several(normalized(layers.Dense(3)(x)), layers.Dense(4), layers.ReLU())),
    (VECTOR, lambda x: layers.Dense(4)(normalized(layers.Dense(3, use_bias=False)(x)))),
    (VECTOR, lambda x: several(normalized(x), layers.Dense(4), layers.Dense(5))),
    (VECTOR, lambda x: several(normalized(x), layers.Dense(4), layers.ReLU())),
    (IMAGE, lambda x: several(layers.Conv2D(3, 3)(x), layers.Dense(4), act("sigmoid"))),
    (
        IMAGE,
        lambda x: several(normalized(layers.Conv2D(3, 3)(x)), layers.Dense(4), act("tanh")),
    ),
    (SEQUENCE, lambda x: several(layers.Conv1D(3, 3)(x), layers.Dense(4), act("sigmoid"))),
]

# Without an offset between them, dense layers hand on matrices.
ROWS = [
    (SEQUENCE, lambda x: layers.Dense(3)(layers.Dense(4, use_bias=False)(x))),
    (IMAGE, lambda x: layers.Conv2D(2, 3)(layers.Dense(3)(layers.Dense(4, use_bias=False)(x)))),
    (
        SEQUENCE,
        lambda x: several(layers.Dense(4, use_bias=False)(x), layers.Dense(3), act("tanh")),
    ),
    (SEQUENCE, lambda x: layers.Dense(3)(layers.Dense(4)(layers.Dense(5)(x)))),
    (SEQUENCE, lambda x: layers.ReLU()(layers.Dense(3)(layers.ReLU()(layers.Dense(4)(x))))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_read_before_an_offset_cost_what_their_file_costs(dtype, compare_all):
    compare_all(READ_BEFORE_AN_OFFSET, dtype)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_rows_cost_what_their_file_costs(dtype, compare_all):
    compare_all(ROWS, dtype)
