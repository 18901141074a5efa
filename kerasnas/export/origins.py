"""Which layer of a model an operator stems from, told by the names that the converter keeps."""

import re
from collections.abc import Collection
from typing import Any

from kerasnas.export.conversion_child import layer_of
from kerasnas.tflite.reader import OperatorRecord, Subgraph, TFLiteFile, opened

_UNKNOWN = re.compile(r'"([^"@]+)@[^"]*"[^\n]*\'tf\.(\w+)\' op is neither')
_REFUSED = re.compile(r"Node number (\d+) \((\w+)\) failed")
# TensorFlow Lite Micro writes these numbers in hexadecimal digits; `measure_arena` counts from 1.
_REFUSED_BY_MICRO = re.compile(r"Node (\w+) \(number ([0-9a-f]+)\) failed")
_ENDED = re.compile(r"ends at operator (\w+) \(number (\d+) of")
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
    if node := _REFUSED.search(message):
        kind, number = node[2], int(node[1])
    elif node := _REFUSED_BY_MICRO.search(message):
        kind, number = node[1], int(node[2], 16)
    elif node := _ENDED.search(message):
        kind, number = node[1], int(node[2]) - 1
    else:
        return ""
    if number >= len(graph.operators) or graph.operators[number].kind != kind:
        return ""
    return f"{kind} of '{_writer(graph, graph.operators[number], model)}'"


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
