"""What the converter makes of operations of `keras.ops`."""

import dataclasses
from collections.abc import Sequence
from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.folding import without_turn
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.program import Constant, along, integers, number, operand
from kerasnas.hardware.lowering.tape import Tape
from kerasnas.keras_models.traits import names, of_kind


@lowers("Cast")
def _cast(to: Tape, node: Node, reads: list[int]) -> int:
    if node.config:  # to integers
        if reads[0] in to.unscaled:
            return reads[0]
        return to.indices(to.operator("CAST", [to.in_floats(reads[0])], node.shape))
    if to.dtype == "int8" and reads[0] not in to.unscaled:
        return reads[0]  # pixels, which an int8 file reads as floats
    return to.operator("CAST", reads, node.shape)


@lowers(*names(lambda traits: traits.compares))
def _comparison(to: Tape, node: Node, reads: list[int]) -> int:
    constants = constants_of(node)
    if node.kind == "NotEqual":  # an int8 file has no other form
        constants = [dataclasses.replace(constant, role="float") for constant in constants]
    kind = of_kind(node.kind).operator
    assert kind is not None
    return to.operator(kind, reads, node.shape, constants)


def constants_of(node: Node) -> list[Constant]:
    """Returns the constant that an operation of two operands reads, if any."""
    if node.config[:1] != ("constant",):
        return []
    _, shape, value = node.config
    if shape == ():
        return [number(cast("float", value))]
    return [Constant(cast("Shape", shape), "weight")]


@lowers("Where")
def _where(to: Tape, node: Node, reads: list[int]) -> int:
    one_shape, shapes = node.config
    constants = [Constant(shape, "weight") for shape in cast("tuple[Shape, ...]", shapes)]
    kind = "SELECT" if one_shape else "SELECT_V2"
    return to.operator(kind, reads, node.shape, constants)


@lowers("Matmul")
def _matmul(to: Tape, node: Node, reads: list[int]) -> int:
    if node.config[0] == "constant":
        rows, columns = cast("Shape", node.config[1])
        weight = Constant((columns, rows), "weight", columns)
        return to.operator("FULLY_CONNECTED", reads, node.shape, [weight])
    left, right = cast("tuple[bool, bool]", node.config)
    first, turned_first = without_turn(to, reads[0])
    second, turned_second = without_turn(to, reads[1])
    transposed = (left != turned_first, right != turned_second)
    return to.operator("BATCH_MATMUL", [first, second], node.shape, transposed=transposed)


@lowers("GetItem")
def _get_item(to: Tape, node: Node, reads: list[int]) -> int:
    x, (widened, *slices) = reads[0], cast("tuple[Shape, ...]", node.config)
    if widened != to.shapes[x]:
        x = to.reshape(x, widened)
    constants = [integers(*each) for each in zip(*slices, strict=True)]
    return to.operator("STRIDED_SLICE", [x], node.shape, constants)


def padding(sides: Sequence[Shape]) -> Constant:
    """Returns the operand of a pad: how much it adds before and after each axis but the batch's."""
    return integers(0, 0, *(int(size) for pair in sides for size in pair))


@lowers("Pad")
def _pad(to: Tape, node: Node, reads: list[int]) -> int:
    pads = padding(cast("tuple[Shape, ...]", node.config[0]))
    if node.config[1] == "mirror":
        return to.operator("MIRROR_PAD", reads, node.shape, [pads])
    return to.operator("PADV2", reads, node.shape, [pads, Constant((), "weight")])


@lowers("Split", "SplitAt", "Unstack")
def _split(to: Tape, node: Node, reads: list[int]) -> int:
    shapes = cast("tuple[Shape, ...]", node.config[2])
    kind, operands = {
        "Split": ("SPLIT", [operand(1)]),
        "SplitAt": ("SPLIT_V", [operand(len(shapes)), operand(1)]),
        "Unstack": ("UNPACK", []),
    }[node.kind]
    live = (to.graph.nodes[i] for i in to.graph.live())
    parts = sum(part.kind == "Part" and part.inputs == (to.index,) for part in live)
    return to.several(kind, reads, shapes, operands, all_read=parts == len(shapes))[0]


@lowers("Part")
def _part(to: Tape, node: Node, reads: list[int]) -> int:
    return to.parts[reads[0]][cast("int", node.config[0])]


@lowers("Argmax", "Argmin")
def _place(to: Tape, node: Node, reads: list[int]) -> int:
    kind = "ARG_MAX" if node.kind == "Argmax" else "ARG_MIN"
    axis = along(cast("int", node.config[0]))
    return to.indices(to.operator(kind, reads, node.shape, [axis]))


@lowers("Roll")
def _roll(to: Tape, node: Node, reads: list[int]) -> int:
    axis, moved = cast("Shape", node.config)
    size, parts = node.shape[axis - 1], []
    for begin, length in ((size - moved, moved), (0, size - moved)):
        shape = (*node.shape[: axis - 1], length, *node.shape[axis:])
        first = [begin if place == axis else 0 for place in range(len(shape) + 1)]
        constants = [integers(*first), integers(1, *shape)]
        parts.append(to.operator("SLICE", reads, shape, constants))
    return to.operator("CONCATENATION", parts, node.shape)


@lowers("Take")
def _take(to: Tape, node: Node, reads: list[int]) -> int:
    _, shape, places = cast("tuple[int, Shape, Shape]", node.config)
    indices = Constant(shape, "operand", 0, ("integers", *places))
    return to.operator("GATHER", reads, node.shape, [indices])
