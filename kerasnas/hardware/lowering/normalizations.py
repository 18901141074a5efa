"""What the converter makes of layers and operations that normalize along axes."""

import math
from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.folding import affine
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.program import Constant, along, integers, number, operand, scalar
from kerasnas.hardware.lowering.tape import Tape

# From this epsilon on, tf_keras normalizes by its fused batch normalization; below, by single
# operations.
_FUSED_EPSILON = 1.001e-5


def _kept(shape: Shape, axes: int | Shape) -> Shape:
    """Returns the shape after a reduction whose axes stay, with length one."""
    given = axes if isinstance(axes, tuple) else (axes,)
    places = {axis % (len(shape) + 1) for axis in given}
    return tuple(1 if place in places else size for place, size in enumerate(shape, 1))


def _only(node: Node, axes: Shape) -> Shape:
    """Returns the shape, with the batch, of a constant that differs along these axes only."""
    return (1, *(size if axis in axes else 1 for axis, size in enumerate(node.shape, 1)))


@lowers("BatchNormalization")
def _batch_normalization(to: Tape, node: Node, reads: list[int]) -> int:
    (x,), last = reads, len(node.shape)
    (axis,) = cast("Shape", node.config[0]) if node.config else (last,)
    each = Constant((node.shape[axis - 1],), "weight")
    if axis == last:
        return affine(to, x, [("MUL", each), ("ADD", each)])
    if last != 3 or axis != 1:
        each = Constant(_only(node, (axis,)), "weight")
        for kind in ("MUL", "ADD"):
            x = to.operator(kind, [x], node.shape, [each])
        return x
    height, width, channels = node.shape
    turned = (width, channels, height)
    x = to.operator("TRANSPOSE", [x], turned, [integers(0, 2, 3, 1)])
    for kind in ("MUL", "ADD"):
        x = to.operator(kind, [x], turned, [each])
    return to.operator("TRANSPOSE", [x], node.shape, [integers(0, 3, 1, 2)])


@lowers("Normalization")
def _normalization(to: Tape, node: Node, reads: list[int]) -> int:
    last, axis = len(node.shape), node.config[0]
    maker = to.maker.get(reads[0])
    pixels = maker is not None and maker.kind == "CAST"
    if last and to.dtype == "int8" and not pixels and axis in ("(-1,)", f"({last},)", "()"):
        channels = node.shape[-1]
        rest = node.shape[:-1] if last == 3 else (1, math.prod(node.shape[:-1]))
        image = (*rest, channels)
        constants = [
            Constant((1, 1, channels, 1), "weight", channels),
            Constant((channels,), "bias", channels),
        ]
        x = to.operator("DEPTHWISE_CONV_2D", [to.reshape(reads[0], image)], image, constants)
        return to.reshape(x, node.shape)
    ones = (1,) * (len(node.shape) - 1)
    each = Constant((1, *ones, node.shape[-1]), "weight")
    return affine(to, reads[0], [("SUB", each), ("MUL", each)])


@lowers("LayerNormalization")
def _layer_normalization(to: Tape, node: Node, reads: list[int]) -> int:
    axes, epsilon, scales, moves = cast("tuple[Shape, float, bool, bool]", node.config)
    trailing = axes == tuple(range(len(node.shape) + 1 - len(axes), len(node.shape) + 1))
    if not trailing or epsilon < _FUSED_EPSILON:
        return _plain_layer_normalization(to, node, reads[0])
    channels = math.prod(node.shape[axis - 1] for axis in axes)
    rows = math.prod(node.shape) // channels
    x = to.reshape(reads[0], (channels, 1, 1) if rows == 1 else (rows, channels, 1))
    if rows > 1:
        x = to.operator("TRANSPOSE", [x], (channels, 1, rows), [operand(4)])
    all_but_rows = integers(0, 1, 2)
    mean = to.operator("MEAN", [x], (rows,), [all_but_rows])
    square = to.operator("SQUARED_DIFFERENCE", [x, mean], (channels, 1, rows))
    scale = to.operator("MEAN", [square], (rows,), [all_but_rows])
    scale = to.operator("ADD", [scale], (rows,), [scalar()])
    scale = to.operator("RSQRT", [scale], (rows,))
    scaled = to.operator("MUL", [x, scale], (channels, 1, rows))
    shift = to.operator("MUL", [mean, scale], (rows,))
    shift = to.operator("SUB", [shift], (rows,), [Constant((rows,), "weight")])
    x = to.operator("ADD", [scaled, shift], (channels, 1, rows))
    if rows > 1:
        x = to.operator("TRANSPOSE", [x], (rows, channels, 1), [operand(4)])
    x = to.reshape(x, node.shape)
    each = (channels,) if len(axes) == 1 else _only(node, axes)
    for kind, wanted in (("MUL", scales), ("ADD", moves)):
        if wanted:
            x = to.operator(kind, [x], node.shape, [Constant(each, "weight")])
    return x


def _plain_layer_normalization(to: Tape, node: Node, x: int) -> int:
    axes, _, scales, moves = cast("tuple[Shape, float, bool, bool]", node.config)
    one = _kept(node.shape, axes)
    each = (node.shape[-1],) if axes == (len(node.shape),) else _only(node, axes)
    mean = negative = to.operator("MEAN", [x], one, [integers(*axes)])
    if not moves:
        negative = to.operator("NEG", [mean], one)
    square = to.operator("SQUARED_DIFFERENCE", [x, mean], node.shape)
    scale = to.operator("MEAN", [square], one, [integers(*axes)])
    scale = to.operator("ADD", [scale], one, [scalar()])
    scale = to.operator("RSQRT", [scale], one)
    if scales:
        scale = to.operator("MUL", [scale], node.shape, [Constant(each, "weight")])
    scaled = to.operator("MUL", [x, scale], node.shape)
    shift = to.operator("MUL", [negative, scale], to.shapes[scale])
    if moves:
        shift = to.operator("SUB", [shift], node.shape, [Constant(each, "weight")])
    return to.operator("ADD", [scaled, shift], node.shape)


@lowers("GroupNormalization")
def _group_normalization(to: Tape, node: Node, reads: list[int]) -> int:
    (axis,), groups = cast("tuple[Shape, int]", node.config)
    size = node.shape[axis - 1] // groups
    shape = (*node.shape[: axis - 1], groups, size, *node.shape[axis:])
    one = tuple(groups if place == axis else 1 for place in range(1, len(shape) + 1))
    each = (*one[:axis], size, *one[axis + 1 :])
    by_channel = Constant(each, "weight")
    share = Constant(one, "weight", 1, ("share", math.prod(shape) // groups))
    x = to.reshape(reads[0], shape)
    axes = integers(*(place for place in range(1, len(shape) + 1) if place != axis))
    mean = to.operator("SUM", [x], one, [axes])
    mean = to.operator("MUL", [mean], one, [share])
    square = to.operator("SQUARE", [to.operator("SUB", [x, mean], shape)], shape)
    scale = to.operator("SUM", [square], one, [axes])
    scale = to.operator("MUL", [scale], one, [share])
    scale = to.operator("RSQRT", [to.operator("ADD", [scale], one, [scalar()])], one)
    scale = to.operator("MUL", [scale], each, [by_channel])
    scaled = to.operator("MUL", [x, scale], shape)
    shift = to.operator("MUL", [mean, scale], each)
    shift = to.operator("SUB", [shift], each, [by_channel])
    return to.reshape(to.operator("ADD", [scaled, shift], shape), node.shape)


@lowers("UnitNormalization")
def _unit_normalization(to: Tape, node: Node, reads: list[int]) -> int:
    x, axes = reads[0], cast("Shape", node.config[0])
    if axes == (len(node.shape),):
        return to.operator("L2_NORMALIZATION", reads, node.shape)
    one = _kept(node.shape, axes)
    square = to.operator("SQUARE", [x], node.shape)
    norm = to.operator("SUM", [square], one, [along(axes[0] if len(axes) == 1 else axes)])
    norm = to.operator("MAXIMUM", [norm], one, [scalar()])
    norm = to.operator("RSQRT", [norm], one)
    return to.operator("MUL", [x, norm], node.shape)


@lowers("Normalize")
def _normalize(to: Tape, node: Node, reads: list[int]) -> int:
    (x,), (axis, order) = reads, cast("tuple[int | Shape, int]", node.config)
    one = _kept(node.shape, axis)
    if order == 1:
        norm = to.operator("SUM", [to.operator("ABS", [x], node.shape)], one, [along(axis)])
        norm = to.operator("MAXIMUM", [norm], one, [scalar()])
        return to.operator("DIV", [x, norm], node.shape)
    norm = to.operator("SUM", [to.operator("SQUARE", [x], node.shape)], one, [along(axis)])
    norm = to.operator("RSQRT", [norm], one)
    norm = to.operator("MINIMUM", [norm], one, [scalar()])
    return to.operator("MUL", [x, norm], node.shape)


@lowers("Logsumexp")
def _log_sum_exp(to: Tape, node: Node, reads: list[int]) -> int:
    (x,), (axis, keepdims) = reads, cast("tuple[int | Shape, bool]", node.config)
    shape = to.shapes[x]
    one = _kept(shape, axis)
    highest = to.operator("REDUCE_MAX", [x], one, [along(axis)])
    # Infinity minus itself is NaN, so this finds the values that are not finite.
    none = to.operator("SUB", [highest, highest], one)
    # In an int8 file the two zeros have different scales: those of what each is compared or
    # chosen with.
    zeros = (scalar(), scalar()) if to.dtype == "int8" else (number(0), number(0))
    finite = to.operator("EQUAL", [none], one, zeros[:1])
    highest = to.operator("SELECT_V2", [finite, highest], one, zeros[1:])
    x = to.operator("SUB", [x, highest], shape)
    x = to.operator("SUM", [to.operator("EXP", [x], shape)], node.shape, [along(axis)])
    x = to.operator("LOG", [x], node.shape)
    if not keepdims:
        highest = to.operator("RESHAPE", [highest], node.shape, [integers(1, *node.shape)])
    return to.operator("ADD", [x, highest], node.shape)
