"""A file on TensorFlow Lite Micro: where one is meant for it, and what it cannot run there."""

import importlib.util
import os
from typing import Any, Literal, get_args

import numpy as np

from kerasnas.export.origins import refused_by, sources
from kerasnas.hardware import measure_arena
from kerasnas.runtime.arguments import check_choice
from kerasnas.runtime.child import Child
from kerasnas.tflite.isolated_runner import run_file
from kerasnas.tflite.reader import TFLiteFile, opened

Target = Literal["litert", "micro"]

# Methods of its MicroMutableOpResolver, without their "Add", for operators that a converted Keras
# model may hold.
_METHODS = """
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs
BroadcastTo CallOnce Cast Ceil CircularBuffer Concatenation Conv2D Cos CumSum DepthToSpace
DepthwiseConv2D Dequantize Div DynamicUpdateSlice EmbeddingLookup Elu Equal Exp ExpandDims Fill
Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If
L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic
LogSoftmax Maximum MaxPool2D MirrorPad Mean Minimum Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize
ReadVariable ReduceAll ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor
ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV
Squeeze Sqrt Square SquaredDifference StridedSlice Sub Sum Svdf Tanh TransposeConv Transpose Unpack
UnidirectionalSequenceLSTM VarHandle While ZerosLike
"""
_METHOD_OF = {method.lower(): f"Add{method}" for method in _METHODS.split()}
_METHOD_OF["tflmdecode"] = "AddDecode"


def check_target(target: Any) -> None:
    """Checks the runtime that a file is made for.

    Args:
        target: "litert" or "micro".

    Raises:
        ValueError: If it is another.
        ImportError: If it is TensorFlow Lite Micro, which is not installed.
    """
    check_choice("target", target, get_args(Target))
    if target == "micro" and not has_micro():
        raise ImportError(
            "target='micro' runs files on TensorFlow Lite Micro: pip install 'kerasnas[micro]', or "
            "use target='litert'"
        )


def has_micro() -> bool:
    """Returns whether TensorFlow Lite Micro is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def resolver_method(kind: str) -> str | None:
    """Returns the method that registers an operator.

    Args:
        kind: TFLite's name of it, such as "CONV_2D".

    Returns:
        Name of a method of `tflite::MicroMutableOpResolver`; None where there is no kernel.
    """
    return _METHOD_OF.get(kind.replace("_", "").lower())


def without_kernel(data: bytes | TFLiteFile, model: Any = None) -> list[str]:
    """Returns the operators of a file that TensorFlow Lite Micro has no kernel of.

    Args:
        data: Bytes of the file, or the file parsed.
        model: The tf_keras model that it was made from, if there is one.

    Returns:
        Operators with their layers, as in "GELU of 'act'".
    """
    file = opened(data)
    kinds = {op.kind for graph in file.graphs for op in graph.operators}
    return sources(file, {kind for kind in kinds if resolver_method(kind) is None}, model)


def run_on_micro(
    file: str | os.PathLike[str] | bytes | TFLiteFile,
    arrays: list[np.ndarray],
    timeout: float,
    child: Child | None = None,
    model: Any = None,
) -> list[np.ndarray]:
    """Runs a file on TensorFlow Lite Micro.

    Args:
        file: Path of a `.tflite` file, its bytes, or the file parsed.
        arrays: One array of shape (samples, ...) for each input.
        timeout: Seconds after which it is given up.
        child: Where it runs; None for a process of its own.
        model: The tf_keras model that it was made from, if there is one.

    Returns:
        List with one array of shape (samples, ...) for each output, float for quantized ones.

    Raises:
        ImportError: If tflite-micro is not installed.
        ValueError: If it cannot run the file. Operator and layer are named.
        TimeoutError: If it takes longer than `timeout`.
    """
    check_target("micro")
    try:
        return run_file(file, arrays, "micro", timeout, child)
    except (ValueError, RuntimeError) as error:
        parsed = opened(file)
        reason = str(error)
        try:
            # It names what the interpreter lacks or cannot prepare, and does not say in Python.
            measure_arena(parsed, timeout)
        except ValueError as refusal:
            reason = str(refusal)
        found = without_kernel(parsed, model) or [refused_by(reason, parsed, model)]
        named = f"TensorFlow Lite Micro cannot run {', '.join(found)}. " if any(found) else ""
        raise ValueError(named + reason.rstrip(". ")) from error
