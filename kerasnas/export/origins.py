"""Which layer of a model an operator stems from, told by the names that the converter keeps."""

import re
from collections.abc import Collection
from typing import Any

from kerasnas.export.conversion_child import layer_of
from kerasnas.hardware.flatbuffer import Operator, Subgraph, read_tflite

_UNKNOWN = re.compile(r'"([^"@]+)@[^"]*"[^\n]*\'tf\.(\w+)\' op is neither')
_REFUSED = re.compile(r"Node number (\d+) \((\w+)\) failed")
_CONVERSIONS = ("CAST", "DEQUANTIZE", "QUANTIZE")


def without_form(log: str, layers: Collection[str]) -> list[str]:
    """What the converter has no operator for.

    Args:
        log: All that it said.
        layers: Names of the model's layers.

    Returns:
        Operations of TensorFlow with their layers, as in "Erfinv of 'noise'".
    """
    found = (f"{op} of '{layer_of(scope, layers)}'" for scope, op in _UNKNOWN.findall(log))
    return list(dict.fromkeys(found))


def in_float(data: bytes, model: Any) -> list[str]:
    """What a quantized file computes in floating point, without what only converts.

    Args:
        data: Bytes of the file.
        model: The tf_keras model that it was made from.

    Returns:
        Operators with their layers, as in "GELU of 'act'".
    """
    graph = read_tflite(data)[0]
    found = (
        f"{op.kind} of '{_writer(graph, op, model)}'"
        for op in graph.operators
        if op.kind not in _CONVERSIONS
        and any(graph.tensors[i].dtype.startswith("float") for i in op.outputs)
    )
    return list(dict.fromkeys(found))


def refused_by(message: str, data: bytes, model: Any) -> str:
    """The layer whose operator an interpreter does not prepare or run; "" where it does not say.

    Args:
        message: What it said.
        data: Bytes of the file.
        model: The tf_keras model that it was made from.
    """
    node = _REFUSED.search(message)
    graph = read_tflite(data)[0]
    if node is None or int(node[1]) >= len(graph.operators):
        return ""
    op = graph.operators[int(node[1])]
    return f"{op.kind} of '{_writer(graph, op, model)}'" if op.kind == node[2] else ""


def _writer(graph: Subgraph, op: Operator, model: Any) -> str:
    """The layer of an operator; of one that writes an output, the layer of that output."""
    last = {op.outputs[0]}
    last |= {o.outputs[0] for o in graph.operators if o.kind == "QUANTIZE" and o.inputs[0] in last}
    for tensor, output in zip(graph.outputs, model.outputs, strict=True):
        if tensor in last:
            return str(output.node.layer.name)
    return layer_of(graph.tensors[op.outputs[0]].name, {layer.name for layer in model.layers})
