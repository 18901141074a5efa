"""What the kernels of TensorFlow Lite Micro take from the arena beside the activations.

Source: `tensorflow/lite/micro/kernels` of tflite-micro, the reference kernels as its wheel builds
them for a 64-bit host. Each kernel allocates in `Init` and `Prepare`: state that lasts (the tail of
the arena) and scratch buffers that live while the operator runs (the head). Optimized kernels of a
device (CMSIS-NN, Xtensa) ask for more scratch.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from kerasnas.hardware.graph import Shape

_Size = TypeVar("_Size")


def _by_operator(rows: dict[_Size, str]) -> dict[str, _Size]:
    return {kind: size for size, kinds in rows.items() for kind in kinds.split()}


# Size and alignment of the struct of options that an operator's parser allocates.
OPTIONS = _by_operator(
    {
        (1, 1): "MEAN REDUCE_ALL REDUCE_MAX REDUCE_MIN SUM",
        (2, 1): "CUMSUM RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR",
        (3, 1): "BATCH_MATMUL",
        (4, 4): (
            "ARG_MAX ARG_MIN CALL_ONCE DEPTH_TO_SPACE DIV L2_NORMALIZATION LEAKY_RELU MIRROR_PAD "
            "MUL SHAPE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V"
        ),
        (8, 4): "ADD CAST CONCATENATION GATHER IF PACK SUB UNPACK WHILE",
        (12, 4): "SVDF",
        (16, 4): "UNIDIRECTIONAL_SEQUENCE_LSTM",
        (20, 4): "TRANSPOSE_CONV",
        (24, 4): "STRIDED_SLICE",
        (28, 4): "CONV_2D DEPTHWISE_CONV_2D",
        (36, 4): "RESHAPE SQUEEZE",
        (40, 4): "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
        (16, 8): "VAR_HANDLE",
        (32, 8): "FULLY_CONNECTED",
    }
)

# Size of the struct of runtime data that an operator's kernel allocates in `Init`.
STATE = _by_operator(
    {
        1: "SELECT_V2",
        4: "ASSIGN_VARIABLE L2_NORMALIZATION SPACE_TO_BATCH_ND VAR_HANDLE",
        8: "CALL_ONCE IF RELU6 WHILE",
        16: "EMBEDDING_LOOKUP LOGISTIC TANH",
        20: "HARD_SWISH MIRROR_PAD",
        24: "LEAKY_RELU",
        28: "ABS DIV PRELU RELU RSQRT",
        32: (
            "AVERAGE_POOL_2D BATCH_MATMUL DEQUANTIZE EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL "
            "MAX_POOL_2D NOT_EQUAL QUANTIZE"
        ),
        36: "MUL SVDF",
        44: "MEAN REDUCE_ALL REDUCE_MAX REDUCE_MIN SUM",
        52: "SUB",
        56: "PAD PADV2",
        60: "ADD",
        72: "FULLY_CONNECTED",
        80: "CONCATENATION CONV_2D DEPTHWISE_CONV_2D SOFTMAX",
        84: "STRIDED_SLICE",
        88: "TRANSPOSE_CONV",
        112: "SQUARED_DIFFERENCE",
        256: "ELU",
        688: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }
)

# The same where it is allocated in `Prepare`, and for int8 only.
_LATE_STATE = {"ADD_N": 40, "CUMSUM": 36, "LOG_SOFTMAX": 40}

_QUANTIZED = ("int8", "int16")
_PER_CHANNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
# They copy the shape of their output, to be able to change it.
_RESHAPING = (
    "BATCH_MATMUL", "DEPTH_TO_SPACE", "EMBEDDING_LOOKUP", "GATHER", "GATHER_ND", "L2_POOL_2D",
    "SPACE_TO_DEPTH",
)  # fmt: skip


class Operand(NamedTuple):
    """A tensor as a kernel sees it: shape with the batch, dtype, number of quantization scales."""

    shape: Shape
    dtype: str
    scales: int = 0

    @property
    def values(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)


class KernelCall(NamedTuple):
    """An operator with its operands, in TFLite's order; None where an optional one is left out.

    `transposed` says of the two inputs of a BATCH_MATMUL whether they are read transposed.
    """

    kind: str
    inputs: Sequence[Operand | None]
    outputs: Sequence[Operand]
    transposed: tuple[bool, bool] = (False, False)

    def input(self, index: int) -> Operand:
        """Returns an input; an empty one if it is left out."""
        found = self.inputs[index] if index < len(self.inputs) else None
        return found or Operand((0,), "none")


def prepared(call: KernelCall) -> list[int]:
    """Returns the bytes of each array that the kernel allocates to stay, in `Prepare`."""
    if not call.outputs:
        return []
    output, kind = call.outputs[0], call.kind
    if kind in _PER_CHANNEL:
        # A multiplier and a shift for each channel, in float as well.
        return 2 * [4 * output.shape[-1]] if output.shape else []
    if kind == "FULLY_CONNECTED":
        weights = call.input(1)
        per_channel = weights.scales > 1 and call.input(0).dtype in _QUANTIZED
        return 2 * [4 * weights.scales] if per_channel else []
    if kind == "SOFTMAX" and call.input(0).dtype == "int16":
        return 2 * [2 * 513]
    if kind in _LATE_STATE:
        return [_LATE_STATE[kind]] if output.dtype == "int8" else []
    if kind == "BATCH_MATMUL":
        left, right = call.input(0), call.input(1)
        sizes = [28] if output.dtype in _QUANTIZED else []
        # The right operand is stored transposed unless it is given so.
        for operand, copied in ((left, call.transposed[0]), (right, not call.transposed[1])):
            if copied:
                sizes += [24, 4 + 4 * len(operand.shape), _bytes(operand)]
        return [*sizes, 4 + 4 * len(output.shape)]
    return [4 + 4 * len(output.shape)] if kind in _RESHAPING else []


def scratch(call: KernelCall) -> list[int]:
    """Returns the bytes of each scratch buffer that the kernel asks for."""
    if not call.outputs:
        return []
    kind, output = call.kind, call.outputs[0]
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        # 4-bit weights are unpacked.
        return [call.input(1).values] if call.input(1).dtype == "int4" else []
    if kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"):
        sums = kind in ("MEAN", "SUM") and call.input(0).dtype in _QUANTIZED
        accumulators = [4 * output.values] if sums else []
        return [*accumulators, 4 * len(call.input(0).shape), 4 * call.input(1).values]
    if kind == "TRANSPOSE_CONV" and output.dtype in _QUANTIZED:
        sizes = [(4 if output.dtype == "int8" else 8) * output.values]
        bias = call.input(3)
        return [*sizes, 8 * bias.values] if bias.dtype == "int16" else sizes
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        cell = call.input(19)
        if not cell.values:
            cell = Operand(output.shape[-1:], "float32" if output.dtype == "float32" else "int16")
        return 4 * [_bytes(cell)]
    if kind == "ADD_N":
        return [8 * len(call.inputs)]
    if kind == "MIRROR_PAD":
        return 2 * [4 * len(call.input(0).shape)]
    if kind == "SVDF":
        batch = call.input(0).shape[0] if call.input(0).shape else 1
        filters = 4 * batch * (call.input(1).shape or (0,))[0]
        return [filters] if output.dtype == "float32" else [filters, 4 * output.values]
    return []


def _bytes(operand: Operand) -> int:
    return {"float32": 4, "int16": 2}.get(operand.dtype, 1) * operand.values
