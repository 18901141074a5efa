"""What the converter makes of each layer; compared with the files that the exporter writes."""

import math
from collections.abc import Callable
from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.folding import (
    affine,
    before_reshapes,
    without_affine,
    without_idle_reshape,
    without_padding,
)
from kerasnas.hardware.lowering.lending import read_by_dense, with_axes
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.operations import constants_of, padding
from kerasnas.hardware.lowering.program import Constant, along, integers, number, operand, scalar
from kerasnas.hardware.lowering.tape import Tape
from kerasnas.hardware.lowering.unrolled import unrolled
from kerasnas.keras_models.traits import names, of_kind

# Two reshapes whose outputs one of these reads become a single reshape of its output.
_ELEMENTWISE = {"ADD", "MAXIMUM", "MINIMUM", "MUL", "SUB"}


def _axes(node: Node) -> list[Constant]:
    return [integers(*cast("Shape", node.config[0]))]


def _first_weight(node: Node) -> list[Constant]:
    return [Constant(node.weights[0], "weight")]


# Layers and operations that become one operator: its kind, and the constants that it reads.
_ONE_OPERATOR: dict[str, tuple[str, Callable[[Node], list[Constant]]]] = {
    "Any": ("REDUCE_ANY", _axes),
    "AveragePooling2D": ("AVERAGE_POOL_2D", lambda node: []),
    "Cumsum": ("CUMSUM", lambda node: [along(cast("int", node.config[0]))]),
    "Embedding": ("GATHER", _first_weight),
    "Flip": ("REVERSE_V2", lambda node: [integers(*cast("Shape", node.config))]),
    "Max": ("REDUCE_MAX", _axes),
    "MaxPooling2D": ("MAX_POOL_2D", lambda node: []),
    "Mean": ("MEAN", _axes),
    "Min": ("REDUCE_MIN", _axes),
    "PReLU": ("PRELU", _first_weight),
    "Permute": ("TRANSPOSE", lambda node: [integers(0, *cast("Shape", node.config[0]))]),
    "Prod": ("REDUCE_PROD", _axes),
    "Stack": ("PACK", lambda node: []),
    "Sum": ("SUM", _axes),
    "Tile": ("TILE", lambda node: [operand(len(node.shape) + 1)]),
}


@lowers(*_ONE_OPERATOR)
def _one_operator(to: Tape, node: Node, reads: list[int]) -> int:
    kind, constants = _ONE_OPERATOR[node.kind]
    return to.operator(kind, reads, node.shape, constants(node))


@lowers("Dense")
def _dense(to: Tape, node: Node, reads: list[int]) -> int:
    biased = len(node.weights) > 1
    x = read_by_dense(to, reads[0])
    if x in to.rows:
        rows = (math.prod(node.shape[:-1]), node.shape[-1])
        return with_axes(to, _convolve(to, node, x, rows), node.shape)
    x = x if biased else without_affine(to, x, offsets=False)
    return _convolve(to, node, without_idle_reshape(to, x), node.shape)


@lowers("Conv2DTranspose")
def _transposed(to: Tape, node: Node, reads: list[int]) -> int:
    return _convolve(to, node, reads[0], node.shape)


@lowers("Conv2D", "DepthwiseConv2D")
def _convolution(to: Tape, node: Node, reads: list[int]) -> int:
    x = reads[0]
    strides, padding, dilation, *_ = node.config
    if padding == "valid":
        spans = zip(node.weights[0], cast("Shape", dilation), strict=False)
        window = [(size - 1) * step + 1 for size, step in spans]
        x = without_padding(to, x, window, cast("Shape", strides))
    # With "same" padding an offset cannot be folded: the zeros around the image would lack it.
    x = without_affine(to, x, offsets=padding == "valid" and x == reads[0])
    return _convolve(to, node, x, node.shape)


@lowers("Conv3D", "Conv3DTranspose")
def _convolution_3d(to: Tape, node: Node, reads: list[int]) -> int:
    kind = "CONV_3D" if node.kind == "Conv3D" else "CONV_3D_TRANSPOSE"
    constants = [Constant(node.weights[0], "float")]
    if kind == "CONV_3D_TRANSPOSE":
        constants.insert(0, operand(5))
    x = to.operator(kind, reads, node.shape, constants)
    if len(node.weights) > 1:
        x = to.operator("ADD", [x], node.shape, [Constant((node.shape[-1],), "weight")])
    return x


@lowers("Conv1D", "Conv1DTranspose", "DepthwiseConv1D")
def _kernel_1d(to: Tape, node: Node, reads: list[int]) -> int:
    x = reads[0]
    length, channels = to.shapes[x]
    if "causal" in node.config:
        dilation = node.config[2]
        step = dilation[0] if isinstance(dilation, tuple) else 1
        length += step * (node.weights[0][0] - 1)
        x = to.operator("PAD", [x], (length, channels), [operand(6)])
    x = to.reshape(x, (1, length, channels))
    return to.reshape(_convolve(to, node, x, (1, *node.shape)), node.shape)


def _convolve(to: Tape, node: Node, x: int, shape: Shape) -> int:
    kind, channels = of_kind(node.kind).operator, shape[-1]
    assert kind is not None
    constants = [Constant(node.weights[0], "weight", channels)]
    if kind == "TRANSPOSE_CONV":
        constants.insert(0, operand(4))
    if kind != "FULLY_CONNECTED" or len(node.weights) > 1:
        constants.append(Constant((channels,), "bias", channels))
    return to.operator(kind, [x], shape, constants)


@lowers("LSTM")
def _lstm(to: Tape, node: Node, reads: list[int]) -> int:
    x = reads[0]
    if "unrolled" in node.config:
        return unrolled(to, node, x)
    (steps, features), units = to.shapes[x], node.weights[1][0]
    if "backwards" in node.config:
        x = to.operator("REVERSE_V2", [x], to.shapes[x], [integers(1)])
    # Input, forget, cell and output gate each have tensors of their own.
    kernels = [Constant((units, features), "weight")] * 4 + [Constant((units, units), "weight")] * 4
    biases = [Constant((units,), "bias", 0)] * 4
    if to.dtype == "int8":
        to.intermediates += 5
        to.states += [units, 2 * units]  # The cell's state is kept in 16 bits.
    else:
        to.states += [4 * units, 4 * units]
    x = to.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [x], (steps, units), kernels + biases)
    if len(node.shape) > 1:
        return x
    last_step = [integers(0, -1, 0), integers(0, 0, 0), integers(1, 1, 1)]
    return to.operator("STRIDED_SLICE", [x], node.shape, last_step)


@lowers("GRU", "SimpleRNN")
def _loop(to: Tape, node: Node, reads: list[int]) -> int:
    if "unrolled" in node.config:
        return unrolled(to, node, reads[0])
    if to.dtype == "int8":
        raise ValueError(
            f"Layer {node.name!r} of class {node.kind} has no int8 form: the converter crashes on "
            "it. Use an LSTM, unroll=True, or profile with dtype='float32'"
        )
    raise ValueError(
        f"Layer {node.name!r} of class {node.kind} becomes a loop, whose flash and RAM no estimate "
        "knows: use unroll=True or an LSTM, or read the costs of its file with "
        "kerasnas.hardware.profile_tflite"
    )


@lowers("Rescaling")
def _rescaling(to: Tape, node: Node, reads: list[int]) -> int:
    scale, offset = node.config

    def constant(value: object) -> Constant:
        if isinstance(value, tuple):
            return Constant((node.shape[-1],), "weight")
        return number(cast("float", value))

    steps = [("MUL", constant(scale))] if scale != 1 else []
    steps += [("ADD", constant(offset))] if offset != 0 else []
    return affine(to, reads[0], steps)


@lowers("Concatenate", *names(lambda traits: traits.merges and traits.operator))
def _merge(to: Tape, node: Node, reads: list[int]) -> int:
    kind = of_kind(node.kind).operator
    assert kind is not None
    constants = [Constant(w, "weight") for w in node.weights] if len(reads) == 1 else []
    constants += constants_of(node)
    sources = before_reshapes(to, reads) if kind in _ELEMENTWISE else reads
    shape = node.shape if sources == reads else to.shapes[sources[0]]
    x = to.operator(kind, sources, shape, constants)
    if node.kind == "Average":
        x = to.operator("MUL", [x], to.shapes[x], [scalar()])
    return to.reshape(x, node.shape)


@lowers("AveragePooling1D", "MaxPooling1D")
def _pool_1d(to: Tape, node: Node, reads: list[int]) -> int:
    kind, _ = _ONE_OPERATOR[node.kind.replace("1D", "2D")]
    (length, channels), (short, _) = to.shapes[reads[0]], node.shape
    x = to.reshape(reads[0], (length, 1, channels))
    return to.reshape(to.operator(kind, [x], (short, 1, channels)), node.shape)


@lowers(*(f"Global{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)))
def _global_pool(to: Tape, node: Node, reads: list[int]) -> int:
    kind = "MEAN" if "Average" in node.kind else "REDUCE_MAX"
    rank = len(to.shapes[reads[0]]) - (node.config == ("steps",))
    return to.operator(kind, reads, node.shape, [integers(*range(1, rank))])


@lowers("Flatten", "Reshape")
def _reshape(to: Tape, node: Node, reads: list[int]) -> int:
    return to.reshape(reads[0], node.shape)


@lowers("Steps")
def _steps(to: Tape, node: Node, reads: list[int]) -> int:
    """Appends a reshape of time steps to a batch, or back, even if no size changes."""
    extra = node.config == ("together",)
    sizes = integers(*([1] if extra else []), *node.shape)
    return to.operator("RESHAPE", reads, node.shape, [sizes])


@lowers("CenterCrop")
def _slice(to: Tape, node: Node, reads: list[int]) -> int:
    if to.shapes[reads[0]] == node.shape:
        return reads[0]
    begin = [(have - want) // 2 for have, want in zip(to.shapes[reads[0]], node.shape, strict=True)]
    return to.operator("SLICE", reads, node.shape, [integers(0, *begin), integers(-1, *node.shape)])


@lowers("Masking")
def _masking(to: Tape, node: Node, reads: list[int]) -> int:
    one = (*node.shape[:-1], 1)
    x = to.operator("NOT_EQUAL", reads, node.shape, [Constant((), "float")])
    x = to.operator("REDUCE_ANY", [x], one, [along(-1)])
    x = to.operator("CAST", [x], one)
    return to.operator("MUL", [reads[0], x], node.shape)


@lowers("RepeatVector")
def _repeat(to: Tape, node: Node, reads: list[int]) -> int:
    x = to.reshape(reads[0], (1, node.shape[-1]))
    return to.operator("TILE", [x], node.shape, [operand(3)])


@lowers("UpSampling1D")
def _up_sampling_1d(to: Tape, node: Node, reads: list[int]) -> int:
    x = to.reshape(reads[0], (1, *to.shapes[reads[0]]))
    x = to.operator("RESIZE_NEAREST_NEIGHBOR", [x], (1, *node.shape), [integers(1, node.shape[0])])
    return to.reshape(x, node.shape)


@lowers("UpSampling2D")
def _up_sampling_2d(to: Tape, node: Node, reads: list[int]) -> int:
    kind = "RESIZE_BILINEAR" if "bilinear" in node.config else "RESIZE_NEAREST_NEIGHBOR"
    return to.operator(kind, reads, node.shape, [integers(*node.shape[:2])])


@lowers("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zeros(to: Tape, node: Node, reads: list[int]) -> int:
    sides = _sides(node)
    if len(sides) < len(node.shape):
        sides = (*sides, (0, 0))
    return to.operator("PAD", reads, node.shape, [padding(sides)])


@lowers("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(to: Tape, node: Node, reads: list[int]) -> int:
    before, after = zip((0, 0), *_sides(node), (0, 0), strict=True)
    ends = (-size for size in after)
    constants = [integers(*before), integers(*ends), integers(*[1] * len(before))]
    return to.operator("STRIDED_SLICE", reads, node.shape, constants)


def _sides(node: Node) -> tuple[Shape, ...]:
    """Returns what is added or cut before and after each axis."""
    given = cast("tuple[Shape, ...]", node.config[0])
    return given if isinstance(given[0], tuple) else (cast("Shape", given),)
