"""A Keras 3 model as a graph of tf_keras layers that are not built yet.

It holds only names, configs, numpy weights and who feeds whom, so that rewriting it (`canonical`)
needs no library's private parts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnas.compression.bridge.layers import carried_config
from kerasnas.compression.bridge.operations import as_layer
from kerasnas.export.silence import silence
from kerasnas.hardware.walk import Call, walk


@dataclass(eq=False)
class LayerSpec:
    """A tf_keras layer to be made.

    Args:
        name: Name, unique in its graph.
        kind: Class name in `tf_keras.layers`.
        config: Keyword arguments of that class.
        weights: Arrays in the order of the layer's weights.
    """

    name: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: list[np.ndarray] = field(default_factory=list)


@dataclass(eq=False)
class Node:
    """One call of a layer. Tensors are KerasTensors, the same when they are the same object."""

    layer: LayerSpec
    inputs: list[keras.KerasTensor]
    output: keras.KerasTensor
    args: Any = None
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Graph:
    """Nodes in execution order, between flat inputs and outputs."""

    name: str
    nodes: list[Node]
    inputs: list[keras.KerasTensor]
    outputs: list[keras.KerasTensor]

    def consumers(self, tensor: keras.KerasTensor) -> list[Node]:
        """The nodes that read a tensor."""
        return [node for node in self.nodes if any(x is tensor for x in node.inputs)]

    def calls(self, layer: LayerSpec) -> int:
        """How many times a layer is called: more than once when it is shared."""
        return sum(node.layer is layer for node in self.nodes)


def read(model: keras.Model) -> Graph:
    """Reads a Keras 3 model, nested models inlined.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend.

    Returns:
        The graph, with copies of the weights.

    Raises:
        ValueError: If the model has no graph, or if anything in it has no tf_keras counterpart:
            one error that names every such layer.
    """
    with silence():  # TensorFlow logs while it is imported
        import tf_keras  # noqa: F401

    calls = walk(model)
    masks = _embedding_masks(calls)
    names = _Names()
    specs: dict[int, LayerSpec] = {}
    nodes: list[Node] = []
    problems: list[str] = []
    for call in calls:
        operation = call.operation
        if any(id(tensor) in masks for tensor in call.outputs):
            continue
        try:
            if isinstance(operation, keras.layers.Layer):
                if id(operation) not in specs:
                    specs[id(operation)] = _layer_spec(operation, names)
                nodes.append(_layer_node(specs[id(operation)], call, masks))
            else:
                nodes.append(_operation_node(call, names))
        except ValueError as reason:
            problem = f"  '{operation.name}' ({type(operation).__name__}): {reason}"
            if problem not in problems:
                problems.append(problem)
    if problems:
        raise ValueError(
            f"`model` '{model.name}' has layers that cannot be rebuilt in tf_keras:\n"
            + "\n".join(problems)
        )
    return Graph(model.name, nodes, list(model.inputs), list(model.outputs))


class _Names:
    """Gives each layer a name that TensorFlow accepts and no other layer has."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)
        base = base if base[0].isalnum() else f"layer{base}"
        name, number = base, 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name


def _layer_spec(layer: keras.layers.Layer, names: _Names) -> LayerSpec:
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.InputLayer):
        if layer.sparse or getattr(layer, "ragged", False):
            raise ValueError("sparse and ragged inputs are not carried")
        config = {"batch_shape": tuple(layer.batch_shape), "dtype": layer.dtype}
        return LayerSpec(names.unique(layer.name), kind, config)
    config = carried_config(layer)
    in_config = kind == "Normalization"
    weights = [] if in_config else [keras.ops.convert_to_numpy(w) for w in layer.weights]
    return LayerSpec(names.unique(layer.name), kind, config, [np.array(w) for w in weights])


def _layer_node(spec: LayerSpec, call: Call, masks: set[int]) -> Node:
    kwargs = dict(call.kwargs)
    # Keras 3 overrides a `training` that is written into the graph by that of the model's call.
    kwargs.pop("training", None)
    mask = kwargs.pop("mask", None)
    if mask is not None and any(id(m) not in masks for m in keras.tree.flatten(mask)):
        raise ValueError("only the mask that an Embedding makes is carried")
    if len(call.outputs) != 1:
        raise ValueError(f"it has {len(call.outputs)} outputs; layers with one are carried")
    tensors = keras.tree.flatten((call.args, kwargs))
    inputs = [x for x in tensors if isinstance(x, keras.KerasTensor)]
    return Node(spec, inputs, call.outputs[0], call.args, kwargs)


def _operation_node(call: Call, names: _Names) -> Node:
    kind, config, called_on = as_layer(call)
    spec = LayerSpec(names.unique(call.operation.name), kind, config)
    return Node(spec, keras.tree.flatten(called_on), call.outputs[0], (called_on,))


def _embedding_masks(calls: Iterable[Call]) -> set[int]:
    """Tensors that Keras 3 computes beside an Embedding as its mask; tf_keras makes its own."""
    calls = list(calls)
    masked = {
        id(tensor)
        for call in calls
        if isinstance(call.operation, keras.layers.Embedding) and call.operation.mask_zero
        for tensor in call.inputs
    }
    return {
        id(call.outputs[0])
        for call in calls
        if type(call.operation).__name__ == "NotEqual"
        and len(call.inputs) == 1
        and id(call.inputs[0]) in masked
    }
