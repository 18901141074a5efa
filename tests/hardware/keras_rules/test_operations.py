"""Operations of `keras.ops` on single values and on pairs: costs against those of the file."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnas as kn

IMAGE = (8, 8, 4)


EACH = np.arange(1, 5, dtype="float32")


VALUES = [
    *((IMAGE, f) for f in (ops.abs, ops.square, ops.sqrt, ops.exp, ops.log, ops.negative)),
    *((IMAGE, f) for f in (ops.rsqrt, ops.reciprocal, ops.sin, ops.cos, ops.log1p, ops.expm1)),
    *((IMAGE, f) for f in (ops.floor, ops.ceil, ops.round, ops.sign)),
    *((IMAGE, lambda x, e=e: ops.power(x, e)) for e in (2.0, 0.5, 3.0)),
    *((IMAGE, lambda x, b=b: ops.clip(x, *b)) for b in ((0, 6), (-1, 1), (0, 3), (-2, 3))),
    (IMAGE, lambda x: ops.sqrt(layers.Reshape((64, 4))(layers.MaxPooling2D(1)(x)))),
    (IMAGE, lambda x: ops.abs(layers.Reshape((64, 4))(layers.Conv2D(4, 3, padding="same")(x)))),
    (IMAGE, lambda x: ops.clip(layers.Conv2D(4, 3)(x), -1, 1)),
]

PAIRS = [
    (IMAGE, lambda x: x * EACH),
    (IMAGE, lambda x: x + EACH),
    (IMAGE, lambda x: x / EACH),
    (IMAGE, lambda x: 2.0 - layers.Conv2D(4, 3)(x) * EACH),
    (IMAGE, lambda x: x * np.arange(1, 33, dtype="float32").reshape(8, 4)),
    (IMAGE, lambda x: ops.maximum(x, 0.5)),
    (IMAGE, lambda x: ops.minimum(x, 0.25)),
    (IMAGE, lambda x: 1.0 / (x + 1.0)),
    (IMAGE, lambda x: x / ops.exp(x)),
    (IMAGE, lambda x: ops.where(x > 0.5, x, x * 2.0)),
    (IMAGE, lambda x: ops.where(x <= 0.5, x, 0.0)),
    (IMAGE, lambda x: ops.cast(x >= 0.5, "float32")),
    (IMAGE, lambda x: ops.stack([x, x + 1.0], axis=-1)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_values_cost_what_their_file_costs(dtype, compare_all):
    # Of many branches: buffers of one size change places where some are in floats.
    compare_all(VALUES, dtype, head={"int8": 0.04}.get(dtype, 0))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_pairs_cost_what_their_file_costs(dtype, compare_all):
    compare_all(PAIRS, dtype)


REFUSED = [
    (lambda x: x / 0.0, "not finite"),
    (lambda x: x ** np.ones(4), "exponent"),
    (lambda x: ops.clip(x, np.zeros(4), 1), "bounds"),
    (lambda x: ops.sum(x), "the batch among it"),
    (lambda x: x[0], "selects samples"),
    (lambda x: ops.pad(x, 1), "adds samples"),
    (lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge"), "mode='edge'"),
    (lambda x: ops.matmul(np.ones((2, 6)), x), "Dense"),
    (lambda x: ops.cast(x, "int32"), "float32"),
    (lambda x: ops.celu(x, alpha=2.0), "alpha=1"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED)
def test_an_operation_without_a_cost_says_why(function, message):
    inputs = keras.Input((6, 6, 4))
    outputs = function(inputs)
    with pytest.raises(ValueError, match=message) as error:
        kn.profile(keras.Model(inputs, outputs))
    assert "has no cost rule" in str(error.value)
