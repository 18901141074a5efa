"""Operations of `keras.ops` that are layers of tf_keras."""

import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras

ops = keras.ops


IMAGE = (8, 8, 4)


MERGE_OPS = [ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum]


@pytest.mark.parametrize("merge", MERGE_OPS, ids=lambda m: m.__name__)
def test_merge_operation_broadcasts(merge, assert_same):
    x, y = keras.Input(IMAGE), keras.Input((1, 1, 4))
    model = keras.Model([x, y], merge(y, x))
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(2, *shape)).astype("float32") for shape in (IMAGE, (1, 1, 4))]
    assert_same(model, to_tf_keras(model), batch)


def test_concatenate_operation(assert_same):
    x, y = keras.Input(IMAGE), keras.Input(IMAGE)
    model = keras.Model([x, y], ops.concatenate([y, x], axis=2))
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(2, *IMAGE)).astype("float32") for _ in "xy"]
    assert_same(model, to_tf_keras(model), batch)
