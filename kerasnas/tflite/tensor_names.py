"""Gives the tensors of a file short names: those of the layers that they come from.

The converter joins the names of all operations that became one operator, which is a third of a
small file, and half of one that was trained quantization-aware.
"""

import re
from collections import Counter
from typing import Any

import flatbuffers
import numpy as np

# The name of an input or output of the file. Runtimes look these names up.
_END = re.compile(r"(serving_default|StatefulPartitionedCall)")


def name_after_layers(data: bytes, layers: dict[str, str]) -> bytes:
    """Names every tensor but the file's inputs and outputs after a layer.

    What the first operator of a layer writes is called like the layer, and its other tensors
    `layer/1`, `layer/2` and so on: no two tensors have one name.

    Args:
        data: Bytes of a `.tflite` file that the converter wrote.
        layers: For each layer of the converted model, by its name there, the name to give.

    Returns:
        The file with these names. Nothing else in it is changed.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    _arrange(model)
    given: Counter[str] = Counter()
    # The graphs of a loop belong to the layer that runs the loop.
    running: dict[int, str] = {}
    for number, graph in enumerate(model.subgraphs):
        names = [_text(tensor.name) for tensor in graph.tensors]
        # The outputs of operators come first, so that they get the name without a number.
        written: dict[int, str] = {}
        constants: dict[int, str] = {}
        # Tensors before the first one whose layer is known belong to that layer.
        known = (one for name in names if (one := _layer(name, layers)))
        layer = running.get(number) or next(known, next(reversed(layers.values()), ""))
        for operator in graph.operators:
            outputs = [index for index in operator.outputs if index >= 0]
            inputs = [index for index in operator.inputs if index >= 0 and index not in written]
            found = (_layer(names[index], layers) for index in (*outputs, *reversed(inputs)))
            layer = next((one for one in found if one), layer)
            written |= dict.fromkeys(outputs, layer)
            for index in [*inputs, *_numbers(operator.intermediates)]:
                constants.setdefault(index, layer)
            for called in ("condSubgraphIndex", "bodySubgraphIndex"):
                if hasattr(operator.builtinOptions, called):
                    running[getattr(operator.builtinOptions, called)] = layer
        for place, index in enumerate(graph.inputs):
            if number == 0:
                names[index] = graph.tensors[index].name = f"serving_default_input_{place:03}:0"
        for index in set(range(len(names))) - set(written):
            constants.setdefault(index, layer)
        for index, layer in (written | constants).items():
            if layer and not _END.match(names[index]):
                taken = given[layer]
                graph.tensors[index].name = f"{layer}/{taken}" if taken else layer
                given[layer] += 1
    return pack(model)


def _arrange(model: Any) -> None:
    """Removes tensors that nothing uses, and puts the inputs into the order of the model.

    The arena is placed by the order of tensors; those that nothing uses would be placed, too.
    """
    graph, signatures = model.subgraphs[0], model.signatureDefs or []
    lists = [(owner, end) for owner in (graph, *graph.operators) for end in ("inputs", "outputs")]
    lists += [(operator, "intermediates") for operator in graph.operators]
    used = {int(i) for owner, end in lists for i in _numbers(getattr(owner, end))}
    inputs = [int(index) for index in graph.inputs]
    # The places that the inputs have together are given to them in the order of the model.
    given = dict(zip(sorted(inputs), inputs, strict=True))
    order = [given.get(index, index) for index in sorted(used - {-1})]
    moved = {old: new for new, old in enumerate(order)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in order]
    for owner, end in lists:
        if getattr(owner, end) is not None:
            setattr(owner, end, [moved[int(i)] for i in getattr(owner, end)])
    for signature in signatures:
        for tensor in (*signature.inputs, *signature.outputs):
            tensor.tensorIndex = moved[tensor.tensorIndex]


def _numbers(values: Any) -> list[int]:
    return [] if values is None else list(values)


def _layer(name: str, layers: dict[str, str]) -> str | None:
    """Returns the layer that a tensor comes from, found in the name that the converter gave it."""
    # If other operators are fused into one, the last name is that of the operator itself.
    for part in reversed(name.split(";")):
        # The first scope is that of the model, then come the layer and its operations.
        model, *scopes = part.split("/")
        known = [layers[scope] for scope in (*scopes, model) if scope in layers]
        if known and "ReadVariableOp" not in part:
            return known[0]
    return None


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""


def pack(model: Any) -> bytes:
    """Returns the bytes of a file from the tables that were read from it."""
    builder = AligningBuilder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class AligningBuilder(flatbuffers.Builder):
    """Places the values of tensors at multiples of 16, which the generated code does not do."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        """Writes a vector, and returns where it is."""
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        # As in flatbuffers 25.12.19 (`builder.py`), with another alignment.
        self.StartVector(1, x.size, 16)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        return int(self.EndVector())
