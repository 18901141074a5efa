"""Operations that move values: costs against those of the file."""

import pytest
from keras import layers, ops

IMAGE = (8, 8, 4)


SHAPES = [
    (IMAGE, lambda x: x[:, ::2, ::2]),
    (IMAGE, lambda x: layers.Conv2D(4, 1)(layers.Conv2D(4, 3)(x)[:, 1:5, :-1])),
    (IMAGE, lambda x: x[:, 1]),
    (IMAGE, lambda x: x[..., :2]),
    (IMAGE, lambda x: ops.concatenate(ops.split(x, 2, axis=-1), axis=1)),
    (IMAGE, lambda x: ops.add(*ops.split(x, 2, axis=1))),
    (IMAGE, lambda x: ops.concatenate(ops.split(x, [1, 3], axis=-1)[::-1], axis=-1)),
    (IMAGE, lambda x: ops.add(*ops.unstack(x[..., :2], 2, axis=-1))),
    (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)))),
    (IMAGE, lambda x: ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2)))),
    (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")),
    (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)),
    (IMAGE, lambda x: ops.tile(x, (1, 2, 1, 1))),
    (IMAGE, lambda x: ops.repeat(x, 2, axis=1)),
    (IMAGE, lambda x: ops.flip(x, axis=1)),
    (IMAGE, lambda x: ops.swapaxes(x, 1, 2)),
    (IMAGE, lambda x: ops.moveaxis(x, 3, 1)),
    ((64, 4), lambda x: layers.UpSampling1D(2)(layers.Conv1D(4, 3, padding="same")(x))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_shapes_cost_what_their_file_costs(dtype, compare_all):
    compare_all(SHAPES, dtype)
