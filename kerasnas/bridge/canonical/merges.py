"""Rewrites merges, so that each has two inputs which may have ranges of their own."""

import keras

from kerasnas.bridge.canonical.graph_edits import append, integers, new_layer
from kerasnas.bridge.graph import LayerGraph, LayerNode, LayerSpec
from kerasnas.keras_models.traits import of_kind


def average_to_add(graph: LayerGraph) -> None:
    """Replaces each Average by a scaled Add."""
    # The converter would make two operators of it, and the sum between them would have no range.
    scalings: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind == "Average":
            config = {"scale": 1 / len(node.inputs), "offset": 0.0}
            scalings[id(spec)] = new_layer(graph, f"{spec.name}_mean", "Rescaling", **config)
            spec.kind = "Add"
        if id(spec) in scalings:
            append(graph, node, scalings[id(spec)], node.output.shape)


def detach_inputs(graph: LayerGraph) -> None:
    """Gives merges of one scale an input of their own instead of one of the model."""
    # An int8 merge of one scale would clip its other inputs to the range of the model's input.
    makers = {
        id(tensor): node for node in graph.nodes for tensor in (node.output, *node.further_outputs)
    }
    whole = integers(graph)
    for node in list(graph.nodes):
        if not of_kind(node.layer.kind).one_scale or id(node.output) in whole:
            continue
        for number, tensor in enumerate(node.inputs):
            maker = makers[id(tensor)]
            while of_kind(maker.layer.kind).same_range:
                maker = makers[id(maker.inputs[0])]
            if maker.layer.kind == "InputLayer":
                _detach(graph, node, number)


def _detach(graph: LayerGraph, node: LayerNode, number: int) -> None:
    """Puts a layer that does nothing before one input of a merge."""
    tensor = node.inputs[number]
    name = f"{node.layer.name}_input_{number}"
    layer = new_layer(graph, name, "Rescaling", scale=1.0, offset=0.0)
    detached = keras.KerasTensor(tensor.shape)
    graph.nodes.insert(graph.nodes.index(node), LayerNode(layer, [tensor], detached, (tensor,)))
    node.inputs[number] = detached
    node.args = (list(node.inputs),)


def split_merges(graph: LayerGraph) -> None:
    """Replaces each merge of many inputs by a chain of merges of two."""
    # The converter would do this too, but leave the tensors between them without a range, in float.
    for node in list(graph.nodes):
        spec = node.layer
        if not of_kind(spec.kind).commutes or len(node.inputs) <= 2:
            continue
        first, second, *rest = node.inputs
        node.inputs, node.args = [first, second], ([first, second],)
        for number, tensor in enumerate(rest, 3):
            layer = new_layer(graph, f"{spec.name}_{number}", spec.kind, **spec.config)
            node = append(graph, node, layer, node.output.shape)
            node.inputs.append(tensor)
            node.args = (list(node.inputs),)
