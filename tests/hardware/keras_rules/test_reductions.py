"""Operations along axes: costs against those of the file."""

import pytest
from keras import layers, ops

IMAGE = (8, 8, 4)
SEQUENCE = (6, 8)
VECTOR = (12,)


REDUCTIONS = [
    (IMAGE, lambda x: ops.sum(x, axis=-1)),
    (IMAGE, lambda x: ops.sum(x, axis=(1, 2), keepdims=True)),
    (IMAGE, lambda x: ops.mean(x, axis=-1)),
    (IMAGE, lambda x: ops.max(x, axis=-1, keepdims=True)),
    (IMAGE, lambda x: ops.min(x, axis=1)),
    (IMAGE, lambda x: ops.var(x, axis=1)),
    (IMAGE, lambda x: ops.std(x, axis=1)),
    ((4, 6, 6, 2), lambda x: layers.GlobalAveragePooling3D()(x)),
    ((4, 6, 6, 2), lambda x: layers.GlobalMaxPooling3D()(x)),
]

ALONG_AXES = [
    (IMAGE, lambda x: ops.argmax(x, axis=-1)),
    (IMAGE, lambda x: ops.argmax(x, axis=1, keepdims=True)),
    (VECTOR, lambda x: ops.argmin(layers.Dense(5)(x), axis=-1)),
    (SEQUENCE, lambda x: layers.Dense(2)(ops.cast(ops.argmin(x, axis=-1), "float32"))),
    (SEQUENCE, lambda x: ops.argmax(x, axis=1) + ops.argmin(x, axis=1)),
    (SEQUENCE, lambda x: layers.Dense(2)(ops.cumsum(layers.Dense(3)(x), axis=1))),
    (SEQUENCE, lambda x: ops.roll(x, 2, axis=1)),
    (IMAGE, lambda x: ops.roll(x, (-1, 8, 3), axis=(1, 3, 2))),
    (SEQUENCE, lambda x: ops.take(x, [0, 2, -1], axis=1)),
    (SEQUENCE, lambda x: ops.take(x, 2, axis=-1)),
    (IMAGE, lambda x: ops.take(x, [[0, 1], [2, 1]], axis=1)),
    (SEQUENCE, lambda x: ops.logsumexp(x, axis=-1)),
    (IMAGE, lambda x: ops.logsumexp(x, axis=(1, 2), keepdims=True)),
    (IMAGE, lambda x: layers.Softmax(axis=(1, 2))(x)),
    (IMAGE, lambda x: layers.Softmax(axis=(2, 3))(x)),
    (IMAGE, lambda x: ops.max_pool(x, 2)),
    (SEQUENCE, lambda x: ops.average_pool(x, 2, strides=1, padding="same")),
    ((2, 4, 4, 2), lambda x: layers.UpSampling3D((2, 1, 3))(x)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_reductions_cost_what_their_file_costs(dtype, compare_all):
    compare_all(REDUCTIONS, dtype)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_along_axes_cost_what_their_file_costs(dtype, compare_all):
    compare_all(ALONG_AXES, dtype)
