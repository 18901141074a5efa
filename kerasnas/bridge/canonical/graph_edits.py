"""Holds the edits of a graph that the rewrites share."""

import keras
import numpy as np

from kerasnas.bridge.graph import LayerGraph, LayerNode, LayerSpec
from kerasnas.keras_models.traits import of_kind


def integers(graph: LayerGraph) -> set[int]:
    """Returns the ids of integer tensors: inputs, and those that are only moved or merged.

    And what an operation that is called as it is makes: comparisons, places, parts of integers.
    """
    found: set[int] = set()
    for node in graph.nodes:
        kind, config = node.layer.kind, node.layer.config
        given = kind == "InputLayer" and "float" not in config["dtype"]
        if given or (of_kind(kind).keeps_integers and all(id(x) in found for x in node.inputs)):
            found.add(id(node.output))
        if node.layer.passed_through:
            made = (node.output, *node.further_outputs)
            found.update(id(tensor) for tensor in made if "float" not in tensor.dtype)
    return found


def remove(graph: LayerGraph, node: LayerNode) -> None:
    """Removes a node that passes its first input on."""
    graph.nodes.remove(node)
    graph.replace(node.output, node.inputs[0])


def append(
    graph: LayerGraph, node: LayerNode, layer: LayerSpec, shape: tuple[int | None, ...]
) -> LayerNode:
    """Puts a layer after a node, whose own output now has the given shape."""
    made = LayerNode(layer, [keras.KerasTensor(shape)], node.output)
    made.args = (made.inputs[0],)
    node.output = made.inputs[0]
    graph.nodes.insert(graph.nodes.index(node) + 1, made)
    return made


def new_layer(graph: LayerGraph, name: str, kind: str, **config: object) -> LayerSpec:
    """Makes a layer with a name that is free in the graph."""
    taken = {node.layer.name for node in graph.nodes}
    while name in taken:
        name += "_"
    return LayerSpec(name, kind, config)


def alone_between(graph: LayerGraph, maker: LayerNode, node: LayerNode) -> bool:
    """Returns whether only this node reads its maker's linear output, and none is shared."""
    return (
        graph.calls(maker.layer) == graph.calls(node.layer) == 1
        and len(graph.consumers(maker.output)) == 1
        and not any(y is maker.output for y in graph.outputs)
        and maker.layer.config.get("activation", "linear") == "linear"
    )


def scalars(node: LayerNode) -> tuple[float, float]:
    """Returns scale and offset of a Rescaling with one of each; otherwise 1 and 0."""
    config = node.layer.config
    both = config.get("scale", 1.0), config.get("offset", 0.0)
    if node.layer.kind != "Rescaling" or any(np.ndim(one) for one in both):
        return 1.0, 0.0
    return float(both[0]), float(both[1])
