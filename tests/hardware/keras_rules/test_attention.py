"""Products along named axes: costs against those of the file."""

import numpy as np
import pytest
from keras import layers, ops

SEQUENCE = (6, 8)
VECTOR = (12,)


MATRIX = np.arange(48, dtype="float32")


EQUATIONS = [
    (SEQUENCE, lambda x: ops.einsum("bij,bkj->bik", x, layers.Dense(8)(x))),
    (SEQUENCE, lambda x: ops.einsum("bji,bjk->bki", x, layers.Dense(5)(x))),
    (SEQUENCE, lambda x: ops.einsum("bij,bkj->bki", x, layers.Dense(8)(x)[:, :3])),
    (SEQUENCE, lambda x: ops.einsum("...i,...i->...", x, layers.Dense(8)(x))),
    (SEQUENCE, lambda x: ops.einsum("bij->bji", x)),
    ((6, 2, 4), lambda x: ops.einsum("bqhd,bkhd->bhqk", x, layers.Dense(4)(x))),
    ((6, 2, 4), lambda x: ops.einsum("bkhq,bkhd->bqhd", x, layers.Dense(3)(x))),
    ((3, 4, 5), lambda x: ops.einsum("bijk,bljk->bil", x, layers.Dense(5)(x))),
    ((3, 4, 5), lambda x: ops.einsum("bjki,bjkl->bil", x, layers.Dense(6)(x))),
    (VECTOR, lambda x: ops.einsum("bi,bj->bij", x, layers.Dense(5)(x))),
    (SEQUENCE, lambda x: ops.einsum("bij,jkl->bikl", x, MATRIX.reshape(8, 2, 3))),
    (SEQUENCE, lambda x: ops.einsum("bij,ik->bkj", x, MATRIX[:24].reshape(6, 4))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_equations_cost_what_their_file_costs(dtype, compare_all):
    # Of many branches: either of two transpositions may be the first.
    compare_all(EQUATIONS, dtype, head={"int8": 0.07, "float32": 0.07}.get(dtype, 0))
