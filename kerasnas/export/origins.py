"""Which layer of a model an operator stems from, told by the names that the converter keeps."""

import re
from collections.abc import Collection
from typing import Any

from kerasnas.export.conversion_child import layer_of
from kerasnas.tflite.reader import OperatorRecord, Subgraph, TFLiteFile, opened

_UNKNOWN = re.compile(r'"([^"@]+)@[^"]*"[^\n]*\'tf\.(\w+)\' op is neither')
# How LiteRT, TensorFlow Lite Micro and `measure_arena` name an operator, in numbers of which base,
# and where they count from.
_REFUSED = (
    (re.compile(r"Node number (?P<number>\d+) \((?P<kind>\w+)\) failed"), 10, 0),
    (re.compile(r"Node (?P<kind>\w+) \(number (?P<number>[0-9a-f]+)\) failed"), 16, 0),
    (re.compile(r"ends at operator (?P<kind>\w+) \(number (?P<number>\d+) of"), 10, 1),
)
# The name of an output of the model, which does not tell the layer.
_UNNAMED = re.compile("StatefulPartitionedCall")
_NUMBER = re.compile(r"/\d+$")  # Of a tensor, behind the name of its layer.
_CONVERSIONS = ("CAST", "DEQUANTIZE", "QUANTIZE")


def without_form(log: str, layers: Collection[str]) -> list[str]:
    """Returns the layers that the converter has no operator for.

    Args:
        log: All that it said.
        layers: Names of the model's layers.

    Returns:
        Operations of TensorFlow with their layers, as in "Erfinv of 'noise'".
    """
    found = (f"{op} of '{layer_of(scope, layers)}'" for scope, op in _UNKNOWN.findall(log))
    return list(dict.fromkeys(found))


def in_float(data: bytes | TFLiteFile, model: Any) -> list[str]:
    """Returns the layers that a quantized file computes in floating point, without conversions.

    Args:
        data: Bytes of the file, or the file parsed.
        model: The tf_keras model that it was made from.

    Returns:
        Operators with their layers, as in "GELU of 'act'".
    """
    graph = opened(data).graphs[0]
    found = (
        f"{op.kind} of '{_writer(graph, op, model)}'"
        for op in graph.operators
        if op.kind not in _CONVERSIONS
        and any(graph.tensors[i].dtype.startswith("float") for i in op.outputs)
    )
    return list(dict.fromkeys(found))


def sources(data: bytes | TFLiteFile, kinds: Collection[str], model: Any = None) -> list[str]:
    """Returns the layers that the operators of some kinds stem from.

    Args:
        data: Bytes of a file, or the file parsed.
        kinds: TFLite's names of them, such as "GELU".
        model: The tf_keras model that it was made from; None has the tensors' names tell.

    Returns:
        Operators with their layers, as in "GELU of 'act'".
    """
    found = (
        f"{op.kind} of '{_writer(graph, op, model if place == 0 else None)}'"
        for place, graph in enumerate(opened(data).graphs)
        for op in graph.operators
        if op.kind in kinds
    )
    return list(dict.fromkeys(found))


def refused_by(message: str, data: bytes | TFLiteFile, model: Any = None) -> str:
    """Returns the layer whose operator an interpreter refuses; "" where it does not say.

    Args:
        message: What it said.
        data: Bytes of the file, or the file parsed.
        model: The tf_keras model that it was made from; None has the tensors' names tell.
    """
    graph = opened(data).graphs[0]
    for pattern, base, first in _REFUSED:
        if found := pattern.search(message):
            at = int(found["number"], base) - first
            if at < len(graph.operators) and graph.operators[at].kind == found["kind"]:
                return f"{found['kind']} of '{_writer(graph, graph.operators[at], model)}'"
            return ""
    return ""


def _writer(graph: Subgraph, op: OperatorRecord, model: Any) -> str:
    """Returns the layer of an operator; of one that writes an output, the layer of that output."""
    last = {op.outputs[0]}
    last |= {o.outputs[0] for o in graph.operators if o.kind == "QUANTIZE" and o.inputs[0] in last}
    for place, tensor in enumerate(graph.outputs):
        if tensor in last and model is not None:
            return str(model.outputs[place].node.layer.name)
        if tensor in last and _UNNAMED.match(graph.tensors[tensor].name):
            return f"output_{place:03}"
    name = _NUMBER.sub("", graph.tensors[op.outputs[0]].name)
    if model is None:
        return name
    return layer_of(name, {layer.name for layer in model.layers})
