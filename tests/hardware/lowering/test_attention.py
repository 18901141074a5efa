"""Attention: costs against those of the file."""

import pytest
from keras import layers

SEQUENCE = (6, 8)


ATTENTION = [
    (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4)(x, x)),
    (SEQUENCE, lambda x: layers.MultiHeadAttention(1, 4)(x, x)),
    (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4, value_dim=3, use_bias=False)(x, x)),
    (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)),
    (SEQUENCE, lambda x: layers.Attention(use_scale=True)([x, layers.Dense(8)(x)])),
    (SEQUENCE, lambda x: layers.AdditiveAttention()([x, layers.Dense(8)(x)])),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_attention_cost_what_their_file_costs(dtype, compare_all):
    compare_all(ATTENTION, dtype)
