"""What the kernels of TensorFlow Lite Micro take from the arena beside the activations.

Source: `tensorflow/lite/micro/kernels` of tflite-micro, the reference kernels as its wheel builds
them for a 64-bit host. Each kernel allocates in `Init` and `Prepare`: state that lasts (the tail of
the arena) and scratch buffers that live while the operator runs (the head). Optimized kernels of a
device (CMSIS-NN, Xtensa) ask for more scratch.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from kerasnas.hardware.graph import Shape

# Size and alignment of the struct of options that an operator's parser allocates.
_OPTIONS = {
    "ADD": (8, 4),
    "ARG_MAX": (4, 4),
    "ARG_MIN": (4, 4),
    "AVERAGE_POOL_2D": (40, 4),
    "BATCH_MATMUL": (3, 1),
    "CALL_ONCE": (4, 4),
    "CAST": (8, 4),
    "CONCATENATION": (8, 4),
    "CONV_2D": (28, 4),
    "CUMSUM": (2, 1),
    "DEPTHWISE_CONV_2D": (28, 4),
    "DEPTH_TO_SPACE": (4, 4),
    "DIV": (4, 4),
    "FULLY_CONNECTED": (32, 8),
    "GATHER": (8, 4),
    "IF": (8, 4),
    "L2_NORMALIZATION": (4, 4),
    "L2_POOL_2D": (40, 4),
    "LEAKY_RELU": (4, 4),
    "MAX_POOL_2D": (40, 4),
    "MEAN": (1, 1),
    "MIRROR_PAD": (4, 4),
    "MUL": (4, 4),
    "PACK": (8, 4),
    "REDUCE_ALL": (1, 1),
    "REDUCE_MAX": (1, 1),
    "REDUCE_MIN": (1, 1),
    "RESHAPE": (36, 4),
    "RESIZE_BILINEAR": (2, 1),
    "RESIZE_NEAREST_NEIGHBOR": (2, 1),
    "SHAPE": (4, 4),
    "SOFTMAX": (4, 4),
    "SPACE_TO_DEPTH": (4, 4),
    "SPLIT": (4, 4),
    "SPLIT_V": (4, 4),
    "SQUEEZE": (36, 4),
    "STRIDED_SLICE": (24, 4),
    "SUB": (8, 4),
    "SUM": (1, 1),
    "SVDF": (12, 4),
    "TRANSPOSE_CONV": (20, 4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (16, 4),
    "UNPACK": (8, 4),
    "VAR_HANDLE": (16, 8),
    "WHILE": (8, 4),
}

# Size of the struct of runtime data that an operator's kernel allocates.
_STATE = {
    "ABS": 28,
    "ADD": 60,
    "ASSIGN_VARIABLE": 4,
    "AVERAGE_POOL_2D": 32,
    "BATCH_MATMUL": 32,
    "CALL_ONCE": 8,
    "CONCATENATION": 80,
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "DEQUANTIZE": 32,
    "DIV": 28,
    "ELU": 256,
    "EMBEDDING_LOOKUP": 16,
    "EQUAL": 32,
    "FULLY_CONNECTED": 72,
    "GREATER": 32,
    "GREATER_EQUAL": 32,
    "HARD_SWISH": 20,
    "IF": 8,
    "L2_NORMALIZATION": 4,
    "LEAKY_RELU": 24,
    "LESS": 32,
    "LESS_EQUAL": 32,
    "LOGISTIC": 16,
    "MAX_POOL_2D": 32,
    "MEAN": 44,
    "MIRROR_PAD": 20,
    "MUL": 36,
    "NOT_EQUAL": 32,
    "PAD": 56,
    "PADV2": 56,
    "PRELU": 28,
    "QUANTIZE": 32,
    "REDUCE_ALL": 44,
    "REDUCE_MAX": 44,
    "REDUCE_MIN": 44,
    "RELU": 28,
    "RELU6": 8,
    "RSQRT": 28,
    "SELECT_V2": 1,
    "SOFTMAX": 80,
    "SPACE_TO_BATCH_ND": 4,
    "SQUARED_DIFFERENCE": 112,
    "STRIDED_SLICE": 84,
    "SUB": 52,
    "SUM": 44,
    "SVDF": 36,
    "TANH": 16,
    "TRANSPOSE_CONV": 88,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 688,
    "VAR_HANDLE": 4,
    "WHILE": 8,
}

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


def options(call: KernelCall) -> tuple[int, int]:
    """Returns the bytes and alignment of the struct of the operator's options."""
    return _OPTIONS.get(call.kind, (0, 1))


def state(call: KernelCall) -> int:
    """Returns the bytes of the struct that the kernel allocates in `Init`; 0 for none."""
    return _STATE.get(call.kind, 0)


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
