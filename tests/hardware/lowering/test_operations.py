"""Products of tensors: costs against those of the file."""

import numpy as np
import pytest
from keras import layers, ops

SEQUENCE = (6, 8)


PRODUCTS = [
    (SEQUENCE, lambda x: ops.matmul(x, ops.transpose(layers.Dense(8)(x), (0, 2, 1)))),
    (SEQUENCE, lambda x: ops.matmul(x, np.arange(24, dtype="float32").reshape(8, 3))),
    (SEQUENCE, lambda x: layers.Dot(axes=(2, 2))([x, layers.Dense(8)(x)])),
    (
        SEQUENCE,
        lambda x: layers.EinsumDense("abc,cd->abd", output_shape=(6, 5), bias_axes="d")(x),
    ),
    (
        SEQUENCE,
        lambda x: layers.EinsumDense("abc,cde->abde", output_shape=(6, 2, 4), bias_axes="de")(x),
    ),
    (
        (6, 2, 4),
        lambda x: layers.EinsumDense("abcd,cde->abe", output_shape=(6, 5), activation="relu")(x),
    ),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_products_cost_what_their_file_costs(dtype, compare_all):
    compare_all(PRODUCTS, dtype)
