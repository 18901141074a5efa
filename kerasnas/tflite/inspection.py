"""Reads what a `.tflite` file holds from its flatbuffer, without running it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kerasnas.tflite.kernels import KERNELS
from kerasnas.tflite.reader import Subgraph, TensorRecord, TFLiteFile, opened

# Operators whose second input is a kernel that magnitude pruning may thin out. Depthwise kernels
# are never pruned: they are few, and TFMOT leaves them alone.
_PRUNED = {*KERNELS} - {"DEPTHWISE_CONV_2D"}
# These operators keep state from one inference to the next, and no reset restores its first value:
# LiteRT leaves variables as they are; TensorFlow Lite Micro sets them to zero, whatever their first
# value was, and does not empty its circular buffers.
_NOT_RESET = ("VAR_HANDLE", "CIRCULAR_BUFFER")
# These operators leave an index as it is.
_HANDED_ON = ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_DTYPES = ("float32", "float16", "int32", "uint8", "int64", "int8", "int16")


@dataclass(frozen=True)
class OperatorSummary:
    """One operator of a `.tflite` file.

    Args:
        name: Its kind, such as "CONV_2D".
        inputs: Tensor indices that it reads; -1 where an optional input is left out.
        outputs: Tensor indices that it writes.
        dtypes: Names of the dtypes of both, in that order, "other" for rare ones.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    dtypes: tuple[str, ...]


def operators(data: bytes | TFLiteFile) -> list[OperatorSummary]:
    """Returns the operators of a file in execution order.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        List of `OperatorSummary`, of the first subgraph.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    return _operators(opened(data).graphs[0])


@dataclass(frozen=True)
class EndTensor:
    """An input or output of a `.tflite` file.

    Args:
        name: Its name in the signature; "input_000", "output_001" and so on without one.
        shape: Its shape, the batch of one included.
        dtype: Name of its dtype.
        scale: Of one quantization step; 0 if it is not quantized.
        zero_point: The stored value that stands for 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


def ends(data: bytes | TFLiteFile, end: Literal["input", "output"]) -> list[EndTensor]:
    """Returns the inputs or outputs of a file, in the order in which an interpreter lists them.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.
        end: "input" or "output".

    Returns:
        List of `EndTensor`.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    file = opened(data)
    graph = file.graphs[0]
    positions = graph.inputs if end == "input" else graph.outputs
    found = []
    try:
        model = file.root
        names = {}
        if model.SignatureDefsLength() == 1:
            tensors = getattr(model.SignatureDefs(0), f"{end.capitalize()}s")
            # Only as many as the graph has are read; a hostile file may claim more.
            names = {tensors(i).TensorIndex(): tensors(i).Name() for i in range(len(positions))}
        for place, position in enumerate(positions):
            tensor = graph.tensors[position]
            name = (names.get(position) or b"").decode() or f"{end}_{place:03}"
            record = _record(file, position)
            found.append(EndTensor(name, tensor.shape, tensor.dtype, *record))
    except Exception as error:  # the generated reader raises whatever the bytes lead it to
        raise ValueError(f"`data` is a damaged .tflite file: {error}") from error
    return found


def output_steps(data: bytes | TFLiteFile) -> list[float]:
    """Returns the size of one quantization step in each output of a file.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        List of scales, also of what a DEQUANTIZE at the end of the graph was made from; 0 for
        outputs that are computed in floating point.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    file = opened(data)
    graph = file.graphs[0]
    source = {
        op.outputs[0]: op.inputs[0]
        for op in graph.operators
        if op.kind == "DEQUANTIZE" and op.inputs and op.outputs
    }
    return [_record(file, source.get(index, index))[0] for index in graph.outputs]


@dataclass(frozen=True)
class Choice:
    """An output that is the position of the largest or smallest of some scores.

    Args:
        scores: The tensor that holds the scores.
        axis: Their axis that is searched.
        step: The size of their quantization step; 0 if they are computed in floating point.
    """

    scores: int
    axis: int
    step: float


def choices(data: bytes | TFLiteFile) -> list[Choice | None]:
    """Finds the scores behind the outputs of a file that are indices of an ARG_MAX or ARG_MIN.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        List of a `Choice` for each output; None for those that are something else.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    file = opened(data)
    graph = file.graphs[0]
    maker = {index: op for op in graph.operators for index in op.outputs}
    found: list[Choice | None] = []
    for index in graph.outputs:
        while index in maker and maker[index].kind in _HANDED_ON:
            index = maker[index].inputs[0]
        op, choice = maker.get(index), None
        if op is not None and op.kind in ("ARG_MAX", "ARG_MIN"):
            scores, axis = op.inputs[0], graph.tensors[op.inputs[1]].data
            if axis is not None:
                place = int.from_bytes(bytes(axis[:4]), "little", signed=True)
                choice = Choice(scores, place, _record(file, scores)[0])
        found.append(choice)
    return found


def with_output(data: bytes | TFLiteFile, place: int, tensor: int) -> bytes:
    """Returns the file with another tensor in the place of one of its outputs.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.
        place: Of the output.
        tensor: Position of the tensor.

    Returns:
        Bytes of the same length.
    """
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(opened(data).data)
    schema.Model.GetRootAs(changed, 0).Subgraphs(0).OutputsAsNumpy()[place] = tensor
    return bytes(changed)


def check_scales(data: bytes | TFLiteFile) -> None:
    """Raises an error if a file has a quantization scale that cannot be one.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Raises:
        ValueError: If a scale is negative or no number, or 0 of values that are not. The tensor is
            named. Interpreters do not look at all of them.
    """
    file = opened(data)
    model = file.root
    for number, graph in enumerate(file.graphs):
        for position, tensor in enumerate(graph.tensors):
            if not tensor.scales:
                continue
            record = model.Subgraphs(number).Tensors(position).Quantization()
            scales = record.ScaleAsNumpy()
            right = np.isfinite(scales) & (scales > 0)
            # The converter writes scale 0 for a channel whose kernel is 0.
            right |= (scales == 0) & _only_zeros(tensor, record.QuantizedDimension(), len(scales))
            if not right.all():
                raise ValueError(
                    f"`file` is damaged: tensor '{tensor.name}' has the quantization scale "
                    f"{scales[~right][0]:g}, which must be a positive number"
                )


def _only_zeros(tensor: TensorRecord, axis: int, scales: int) -> np.ndarray:
    """Returns for each scale of a tensor whether all its stored values are 0."""
    if tensor.data is None or tensor.dtype not in _DTYPES:
        return np.zeros(scales, bool)
    values = tensor.data.view(tensor.dtype).reshape(tensor.shape)
    if scales == 1:
        return np.array([not values.any()])
    zeros = ~np.moveaxis(values, axis, 0).reshape(scales, -1).any(axis=1)
    return np.asarray(zeros)


def keeps_state(data: bytes | TFLiteFile) -> bool:
    """Returns whether a file keeps state between inferences that no interpreter can reset.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        True for files with resource variables or circular buffers, such as streaming models, which
        only a new interpreter runs from their first state. False for what is reset, such as the
        state of an LSTM.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    return any(op.kind in _NOT_RESET for graph in opened(data).graphs for op in graph.operators)


def float_operators(data: bytes | TFLiteFile) -> list[str]:
    """Returns the names of the operators that compute in floating point.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        List of names in execution order; empty for a file that is int8 throughout. The CAST of
        integers and the QUANTIZE after it do not count.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    graph = opened(data).graphs[0]
    computing = [op for op in _operators(graph) if {"float32", "float16"} & set(op.dtypes)]
    casts = [op for op in computing if op.name == "CAST" and "int" in op.dtypes[0]]
    made = {tensor for op in casts for tensor in op.outputs}
    into = [op for op in computing if op.name == "QUANTIZE" and op.inputs[0] in made]
    return [op.name for op in computing if op not in casts + into]


def conversions(data: bytes | TFLiteFile) -> int:
    """Counts the operators that convert activations between integers and floats, or between scales.

    Those at the ends of a file with float inputs and outputs count, too.

    Args:
        data: Bytes of a `.tflite` file, or the file parsed.

    Returns:
        Number of QUANTIZE operators, and of DEQUANTIZE operators of what another one computes.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    graph = opened(data).graphs[0]
    return sum(
        op.name in ("QUANTIZE", "DEQUANTIZE") and graph.tensors[op.inputs[0]].data is None
        for op in _operators(graph)
    )


def kernel_sparsity(data: bytes | TFLiteFile, ends: bool = False) -> float:
    """Returns the share of zeros in the kernels of convolutions and fully connected operators.

    Args:
        data: Bytes of a `.tflite` file of float32, float16 or int8 weights, or the file parsed.
        ends: Whether the first kernel on each path from an input and the last one on each path to
            an output count, which `Prune` leaves whole unless it is told otherwise.

    Returns:
        Float between 0 and 1; 0 if there are no such kernels.

    Raises:
        ValueError: If `data` is not a complete TensorFlow Lite model.
    """
    graph = opened(data).graphs[0]
    found = _operators(graph)
    maker = {index: op for op in found for index in op.outputs}
    after = _reached(found, "inputs", "outputs")
    before = _reached(found[::-1], "outputs", "inputs")
    zeros = total = 0
    for op in found:
        between = not after.isdisjoint(op.inputs) and not before.isdisjoint(op.outputs)
        if op.name in _PRUNED and (between or ends) and len(op.inputs) > 1:
            values = _constant(graph, op.inputs[1], maker)
            if values is not None:
                zeros += int((values == 0).sum())
                total += values.size
    return zeros / total if total else 0.0


def _reached(found: list[OperatorSummary], near: str, far: str) -> set[int]:
    """Returns the tensors that lie behind a kernel, following operators from near to far ends."""
    reached: set[int] = set()
    for op in found:
        if op.name in _PRUNED or not reached.isdisjoint(getattr(op, near)):
            reached.update(getattr(op, far))
    return reached


def _record(file: TFLiteFile, position: int) -> tuple[float, int]:
    """Returns scale and zero point of a tensor, or 0 and 0 if it has not exactly one."""
    if file.graphs[0].tensors[position].scales != 1:
        return 0.0, 0
    record = file.root.Subgraphs(0).Tensors(position).Quantization()
    if not math.isfinite(record.Scale(0)):
        raise ValueError("`data` is a damaged .tflite file: a scale is not finite")
    return float(record.Scale(0)), int(record.ZeroPoint(0))


def _operators(graph: Subgraph) -> list[OperatorSummary]:
    found = []
    for op in graph.operators:
        dtypes = (graph.tensors[index].dtype for index in op.inputs + op.outputs if index >= 0)
        known = tuple(dtype if dtype in _DTYPES else "other" for dtype in dtypes)
        found.append(OperatorSummary(op.kind, op.inputs, op.outputs, known))
    return found


def _constant(graph: Subgraph, index: int, maker: dict[int, OperatorSummary]) -> Any:
    """Returns the values of a stored tensor. A float16 one is read through its DEQUANTIZE."""
    if index in maker and maker[index].name == "DEQUANTIZE" and maker[index].inputs:
        index = maker[index].inputs[0]
    if index < 0 or graph.tensors[index].data is None:
        return None
    tensor = graph.tensors[index]
    if tensor.dtype == "int4":  # Two values share a byte.
        packed = tensor.data.view("uint8")
        return np.stack([packed & 15, packed >> 4], axis=-1).ravel()[: math.prod(tensor.shape)]
    return tensor.data.view(tensor.dtype) if tensor.dtype in _DTYPES else None
