"""What the converter makes of attention, which is several kernels and products in one layer."""

import math
from collections.abc import Sequence
from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.folding import without_turn
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.program import Constant, along, integers, without_ones
from kerasnas.hardware.lowering.tape import Tape


@lowers("AttentionScores")
def _scores(to: Tape, node: Node, reads: list[int]) -> int:
    # The converter folds the scale of the scores into what the product reads.
    return to.operator("BATCH_MATMUL", reads, node.shape, transposed=(False, True))


@lowers("AdditiveAttentionScores")
def _additive_scores(to: Tape, node: Node, reads: list[int]) -> int:
    units = to.shapes[reads[1]][-1]
    wide = (*node.shape, units)
    x = to.operator("ADD", reads, wide)
    x = to.operator("TANH", [x], wide)
    if node.config[0]:
        x = to.operator("MUL", [x], wide, [Constant((units,), "weight")])
    return to.operator("SUM", [x], node.shape, [along(-1)])


@lowers("Einsum")
def _einsum(to: Tape, node: Node, reads: list[int]) -> int:
    left, right, made = cast("tuple[str, str, str]", node.config)
    first, second = reads
    sizes = dict(zip(left[1:], to.shapes[first], strict=True))
    sizes |= dict(zip(right[1:], to.shapes[second], strict=True))
    shared = [axis for axis in left if axis in right and axis in made]
    summed = [axis for axis in left if axis in right and axis not in made]
    free = [axis for axis in left if axis not in right]
    further = [axis for axis in right if axis not in left]
    exchanged = list(made) == [*shared, *further, *free]
    if further and exchanged and list(left) == [*shared, *free, *summed]:
        first, second, left, right, free, further = second, first, right, left, further, free

    def lengths(axes: Sequence[str]) -> Shape:
        return tuple(sizes[axis] for axis in axes)

    def turned(
        x: int, have: str, rows: list[str], columns: list[str], groups: bool
    ) -> tuple[int, bool]:
        """Returns what the product reads, which exchanges rows and columns by itself."""
        axes = [*shared, *rows, *columns]
        itself = groups or len(rows) == len(columns) == 1
        if list(have) == axes or (itself and list(have) == [*shared, *columns, *rows]):
            return x, list(have) != axes
        places = integers(*(have.index(axis) for axis in axes))
        return to.operator("TRANSPOSE", [x], lengths(axes[1:]), [places]), False

    def grouped(x: int, rows: list[str], columns: list[str]) -> int:
        pair = (math.prod(lengths(rows)), math.prod(lengths(columns)))
        return to.reshape(x, (*lengths(shared[1:]), *pair))

    second, second_turned = turned(second, right, summed, further, groups=True)
    first, first_turned = turned(first, left, free, summed, groups=False)
    first = grouped(first, *((summed, free) if first_turned else (free, summed)))
    second = grouped(second, *((further, summed) if second_turned else (summed, further)))
    first, again = without_turn(to, first)
    second, second_again = without_turn(to, second)
    transposed = (first_turned != again, second_turned != second_again)
    rows, columns = math.prod(lengths(free)), math.prod(lengths(further))
    shape = (*lengths(shared[1:]), rows, columns)
    macs = math.prod(shape) * math.prod(lengths(summed))
    x = to.operator("BATCH_MATMUL", [first, second], shape, transposed=transposed, macs=macs)
    found = [*shared, *free, *further]
    x = to.reshape(x, lengths(found[1:]))
    if list(made) == found:
        return x
    places = integers(*(found.index(axis) for axis in made))
    return to.operator("TRANSPOSE", [x], node.shape, [places])


@lowers("MultiHeadAttention")
def _multi_head(to: Tape, node: Node, reads: list[int]) -> int:
    heads, key_dim, value_dim, biased, causal = cast(
        "tuple[int, int, int, bool, bool]", node.config
    )
    query, value, key = reads
    steps, others = to.shapes[query][0], to.shapes[value][0]

    def kernel(x: int, units: int) -> int:
        rows, features = to.shapes[x]
        constants = [Constant((units, features), "weight", units)]
        constants += [Constant((units,), "bias", units)] if biased else []
        macs = rows * units * features
        return to.operator("FULLY_CONNECTED", [x], (rows, units), constants, macs=macs)

    def in_heads(x: int, size: int) -> int:
        return to.reshape(x, (to.shapes[x][0], heads, size))

    def transposed(x: int, *axes: int) -> int:
        shape = tuple(to.shapes[x][axis - 1] for axis in axes)
        if without_ones(shape) == without_ones(to.shapes[x]) and 1 in shape[:2]:
            return to.reshape(x, shape)
        return to.operator("TRANSPOSE", [x], shape, [integers(0, *axes)])

    def product(left: int, right: int) -> int:
        (_, rows, inner), columns = to.shapes[left], to.shapes[right][2]
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
        scores = to.operator("ADD", [scores], to.shapes[scores], [mask])
    scores = to.operator("TRANSPOSE", [scores], (heads, steps, others), [integers(0, 1, 3, 2)])
    scores = to.operator("SOFTMAX", [scores], (heads, steps, others))
    values = transposed(in_heads(kernel(value, heads * value_dim), value_dim), 2, 1, 3)
    found = transposed(product(scores, values), 2, 1, 3)
    return kernel(to.reshape(found, (steps, heads * value_dim)), node.shape[-1])
