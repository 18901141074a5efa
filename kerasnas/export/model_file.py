"""What a `.tflite` file holds, read from its flatbuffer without running it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Operators whose second input is a kernel that magnitude pruning may thin out. Depthwise kernels
# are never pruned: they are few, and TFMOT leaves them alone.
_KERNEL_OPERATORS = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_DTYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 9: "int8", 7: "int16"}


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
    return _operators(_parse(data))


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
    """The share of zeros in the kernels that pruning may touch.

    Those are the kernels of convolutions and fully connected operators, except of the last one on
    each path to an output, which `Prune` leaves whole.

    Args:
        data: Bytes of a `.tflite` file, of float32, float16 or int8 weights.

    Returns:
        Float between 0 and 1; 0 if there are no such kernels.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    model = _parse(data)
    graph = model.subgraphs[0]
    found = _operators(model)
    maker = {index: op for op in found for index in op.outputs}
    feeds_a_kernel: set[int] = set()
    zeros = total = 0
    for op in reversed(found):
        leads_on = any(index in feeds_a_kernel for index in op.outputs)
        is_kernel = op.name in _KERNEL_OPERATORS
        if leads_on or is_kernel:
            feeds_a_kernel.update(op.inputs)
        if is_kernel and leads_on:
            values = _constant(model, graph, op.inputs[1], maker)
            if values is not None:
                zeros += int((values == 0).sum())
                total += values.size
    return zeros / total if total else 0.0


def _parse(data: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    if not isinstance(data, bytes | bytearray) or data[4:8] != b"TFL3":
        start = bytes(data[:8]) if isinstance(data, bytes | bytearray) else type(data)
        raise ValueError(f"`data` must be the bytes of a .tflite file. Received: {start!r}...")
    try:
        model = schema.ModelT.InitFromPackedBuf(bytes(data), 0)
        whole = bool(model.subgraphs) and bool(model.buffers)
    except Exception as error:  # the generated reader raises whatever the bytes lead it to
        raise ValueError(f"`data` is a damaged .tflite file: {error!r}") from error
    if not whole:
        raise ValueError("`data` is a damaged .tflite file: it has no graph")
    return model


def _operators(model: Any) -> list[Operator]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    names = {value: name for name, value in vars(BuiltinOperator).items() if name[0] != "_"}
    graph = model.subgraphs[0]
    found = []
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        # Codes above 126 are stored in the second field only.
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs = tuple(int(index) for index in op.inputs)
        outputs = tuple(int(index) for index in op.outputs)
        dtypes = tuple(
            _DTYPES.get(graph.tensors[index].type, "other")
            for index in inputs + outputs
            if index >= 0
        )
        found.append(Operator(name, inputs, outputs, dtypes))
    return found


def _constant(model: Any, graph: Any, index: int, maker: dict[int, Operator]) -> Any:
    """The values of a stored tensor; a float16 one is read through its DEQUANTIZE."""
    while index in maker and maker[index].name == "DEQUANTIZE":
        index = maker[index].inputs[0]
    tensor = graph.tensors[index]
    stored = model.buffers[tensor.buffer].data
    dtype = _DTYPES.get(tensor.type)
    if stored is None or dtype is None:
        return None
    return np.frombuffer(np.asarray(stored, dtype="uint8").tobytes(), dtype=dtype)
