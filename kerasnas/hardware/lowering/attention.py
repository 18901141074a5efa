"""What the converter makes of attention, which is several kernels and products in one layer."""

from typing import cast

from kerasnas.hardware.graph import Node
from kerasnas.hardware.lowering.lowering import Lowering, lowers
from kerasnas.hardware.lowering.program import Constant, integers, without_ones


@lowers("AttentionScores")
def _scores(to: Lowering, node: Node, reads: list[int]) -> int:
    # A scale goes into what the product reads.
    return to.operator("BATCH_MATMUL", reads, node.shape, transposed=(False, True))


@lowers("AdditiveAttentionScores")
def _additive_scores(to: Lowering, node: Node, reads: list[int]) -> int:
    units = to.shape(reads[1])[-1]
    wide = (*node.shape, units)
    x = to.operator("ADD", reads, wide)
    x = to.operator("TANH", [x], wide)
    if node.config[0]:
        x = to.operator("MUL", [x], wide, [Constant((units,), "weight")])
    return to.operator("SUM", [x], node.shape, [Constant((), "operand", 0, ("integers", -1))])


@lowers("MultiHeadAttention")
def _multi_head(to: Lowering, node: Node, reads: list[int]) -> int:
    heads, key_dim, value_dim, biased, causal = cast(
        "tuple[int, int, int, bool, bool]", node.config
    )
    query, value, key = reads
    steps, others = to.shape(query)[0], to.shape(value)[0]

    def kernel(x: int, units: int) -> int:
        rows, features = to.shape(x)
        constants = [Constant((units, features), "weight", units)]
        constants += [Constant((units,), "bias", units)] if biased else []
        macs = rows * units * features
        return to.operator("FULLY_CONNECTED", [x], (rows, units), constants, macs=macs)

    def in_heads(x: int, size: int) -> int:
        return to.reshape(x, (to.shape(x)[0], heads, size))

    def transposed(x: int, *axes: int) -> int:
        shape = tuple(to.shape(x)[axis - 1] for axis in axes)
        if without_ones(shape) == without_ones(to.shape(x)) and 1 in shape[:2]:
            return to.reshape(x, shape)
        return to.operator("TRANSPOSE", [x], shape, [integers(0, *axes)])

    def product(left: int, right: int) -> int:
        (_, rows, inner), columns = to.shape(left), to.shape(right)[2]
        macs = heads * rows * inner * columns
        return to.operator("BATCH_MATMUL", [left, right], (heads, rows, columns), macs=macs)

    if heads == 1:
        keys = kernel(key, key_dim)
        queries = in_heads(kernel(query, key_dim), key_dim)
    else:
        queries = in_heads(kernel(query, heads * key_dim), key_dim)
        keys = kernel(key, heads * key_dim)
    keys = transposed(in_heads(keys, key_dim), 2, 1, 3)
    scores = product(keys, transposed(queries, 2, 3, 1))
    if causal:
        mask = Constant((1, 1, others, steps), "weight")
        scores = to.operator("ADD", [scores], to.shape(scores), [mask])
    scores = to.operator("TRANSPOSE", [scores], (heads, steps, others), [integers(0, 1, 3, 2)])
    scores = to.operator("SOFTMAX", [scores], (heads, steps, others))
    values = transposed(in_heads(kernel(value, heads * value_dim), value_dim), 2, 1, 3)
    found = transposed(product(scores, values), 2, 1, 3)
    return kernel(to.reshape(found, (steps, heads * value_dim)), node.shape[-1])
