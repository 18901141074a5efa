"""What dense layers read before the offsets and axes that they have no need of.

The converter folds constants that are added or multiplied into every biased dense layer that reads
the result, and lets dense layers hand on matrices. What others read keeps the operators.
"""

import math

from kerasnas.hardware.graph import Shape
from kerasnas.hardware.lowering.program import KERNEL_OPERATORS, Constant, integers
from kerasnas.hardware.lowering.tape import Tape


def read_by_dense(to: Tape, tensor: int) -> int:
    """Returns what the dense layer at hand reads in the place of a tensor.

    That is the tensor before the factors and offsets that the layer takes into its own values, or
    before it got back the axes that a kernel has no need of.
    """
    before = to.lent.get(tensor, tensor)
    return before if to.takes or before in to.rows else tensor


def with_axes(to: Tape, tensor: int, shape: Shape) -> int:
    """Gives a matrix the axes of its layer back."""
    to.rows.add(tensor)
    return to.operator("RESHAPE", [tensor], shape, [integers(1, *shape)])


def lend(to: Tape, tensor: int, borrowers: int) -> None:
    """Lets biased dense layers read a tensor as it is before its factors and offsets.

    They take these into their own values. What others read keeps them, as operators of their
    own, though a kernel could have held them.
    """
    to.readers[tensor] -= borrowers
    source = tensor
    while _is_affine(to, source):
        step = to.maker[source]
        (before,) = step.reads
        if not to.readers[source]:
            to.steps.remove(step)
            to.readers[before] -= 1
        source = before
    _split(to, source, alone=not to.readers[source])
    while _is_affine(to, source):
        (source,) = to.maker[source].reads
    to.readers[source] += borrowers
    if source != tensor:
        to.lent[tensor] = source


def lend_matrix(to: Tape, tensor: int, borrowers: int) -> None:
    """Lets dense layers read the matrix that a dense layer without offsets makes."""
    shape, maker = to.shapes[tensor], to.maker[tensor]
    if len(shape) == 1:
        return
    others = to.readers[tensor] - borrowers
    if maker.kind != "RESHAPE":
        matrix = maker.writes = to.tensor((math.prod(shape[:-1]), shape[-1]), to.width)
        to.maker[matrix], to.readers[matrix] = maker, 1
        place = to.steps.index(maker) + 1
        out = with_axes(to, matrix, shape)
        maker = to.maker.pop(out)
        to.steps.insert(place, to.steps.pop())
        maker.writes, to.maker[tensor] = tensor, maker
    (matrix,) = maker.reads
    to.readers[tensor] = others
    to.readers[matrix] += borrowers if others else borrowers - 1
    if not others:
        to.steps.remove(maker)
    to.lent[tensor] = matrix


def _split(to: Tape, tensor: int, alone: bool) -> None:
    """Takes the factors and offsets of a kernel out of it, into operators of their own."""
    maker = last = to.maker.get(tensor)
    if maker is not None and maker.kind == "RESHAPE":
        maker = to.maker.get(maker.reads[0])
    if maker is None or last is None or maker.kind not in KERNEL_OPERATORS or maker.activation:
        return
    first, *joined = (to.graph.nodes[i] for i in maker.layers)
    if any(node.kind != "BatchNormalization" for node in joined):
        return
    # A convolution keeps the factors in its kernel, so only an offset is left.
    kinds = ["ADD"] if len(first.weights) > 1 or joined else []
    if maker.kind == "FULLY_CONNECTED":
        kinds = ["ADD"] if len(first.weights) > 1 else []
        kinds += ["MUL", "ADD"] * len(joined)
    if kinds and maker.kind in ("FULLY_CONNECTED", "TRANSPOSE_CONV"):
        maker.constants = tuple(c for c in maker.constants if c.role != "bias")
    if alone or not kinds:
        return
    shape = to.shapes[tensor]
    last.writes = before = to.tensor(shape, to.widths[tensor])
    to.maker[before], to.readers[before] = last, 1
    place = to.steps.index(last) + 1
    for kind in kinds:
        each = Constant((shape[-1],), "weight")
        before = to.append(kind, [before], shape, (each,), to.width)
        to.steps.insert(place, to.steps.pop())
        place += 1
    to.maker[before].writes = tensor
    to.maker[tensor] = to.maker.pop(before)


def _is_affine(to: Tape, tensor: int) -> bool:
    """Returns whether a tensor was multiplied by, or added to, a number or one number a channel."""
    maker = to.maker.get(tensor)
    if maker is None or maker.kind not in ("ADD", "MUL") or maker.activation:
        return False
    return len(maker.reads) == 1 and len(maker.constants[0].shape) <= 1
