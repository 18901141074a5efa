"""What a `.tflite` file holds, read from its flatbuffer without running it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasnas.hardware.flatbuffer import Subgraph, read_tflite

# Operators whose second input is a kernel that magnitude pruning may thin out. Depthwise kernels
# are never pruned: they are few, and TFMOT leaves them alone.
_KERNEL_OPERATORS = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_DTYPES = ("float32", "float16", "int32", "uint8", "int64", "int8", "int16")


@dataclass(frozen=True)
class Operator:
    """One operator of a `.tflite` file.

    Args:
        name: Operator name, such as "CONV_2D".
        inputs: Tensor indices that it reads; -1 where an optional input is left out.
        outputs: Tensor indices that it writes.
        dtypes: Names of the dtypes of both, in that order, "other" for rare ones.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    dtypes: tuple[str, ...]


def operators(data: bytes) -> list[Operator]:
    """The operators of a file in execution order.

    Args:
        data: Bytes of a `.tflite` file.

    Returns:
        List of `Operator`, of the first subgraph.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    return _operators(read_tflite(data)[0])


def float_operators(data: bytes) -> list[str]:
    """Names of the operators that compute in floating point.

    Args:
        data: Bytes of a `.tflite` file.

    Returns:
        List of names in execution order; empty for a file that is int8 throughout.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    return [op.name for op in operators(data) if {"float32", "float16"} & set(op.dtypes)]


def kernel_sparsity(data: bytes) -> float:
    """The share of zeros in the kernels that pruning touches.

    Those are the kernels of convolutions and fully connected operators, except of the first one on
    each path from an input and of the last one on each path to an output, which `Prune` leaves
    whole.

    Args:
        data: Bytes of a `.tflite` file, of float32, float16 or int8 weights.

    Returns:
        Float between 0 and 1; 0 if there are no such kernels.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    graph = read_tflite(data)[0]
    found = _operators(graph)
    maker = {index: op for op in found for index in op.outputs}
    after = _reached(found, lambda op: (op.inputs, op.outputs))
    before = _reached(found[::-1], lambda op: (op.outputs, op.inputs))
    zeros = total = 0
    for op in found:
        between = not after.isdisjoint(op.inputs) and not before.isdisjoint(op.outputs)
        if op.name in _KERNEL_OPERATORS and between and len(op.inputs) > 1:
            values = _constant(graph, op.inputs[1], maker)
            if values is not None:
                zeros += int((values == 0).sum())
                total += values.size
    return zeros / total if total else 0.0


def _reached(
    found: list[Operator],
    ends: Callable[[Operator], tuple[tuple[int, ...], tuple[int, ...]]],
) -> set[int]:
    """The tensors that lie behind a kernel, in the order in which operators are given."""
    reached: set[int] = set()
    for op in found:
        near, far = ends(op)
        if op.name in _KERNEL_OPERATORS or not reached.isdisjoint(near):
            reached.update(far)
    return reached


def _operators(graph: Subgraph) -> list[Operator]:
    found = []
    for op in graph.operators:
        dtypes = (graph.tensors[index].dtype for index in op.inputs + op.outputs if index >= 0)
        known = tuple(dtype if dtype in _DTYPES else "other" for dtype in dtypes)
        found.append(Operator(op.kind, op.inputs, op.outputs, known))
    return found


def _constant(graph: Subgraph, index: int, maker: dict[int, Operator]) -> Any:
    """The values of a stored tensor; a float16 one is read through its DEQUANTIZE."""
    if index in maker and maker[index].name == "DEQUANTIZE" and maker[index].inputs:
        index = maker[index].inputs[0]
    if index < 0 or graph.tensors[index].data is None:
        return None
    tensor = graph.tensors[index]
    return tensor.data.view(tensor.dtype) if tensor.dtype in _DTYPES else None
