"""Layers that the converter splits, joins, drops or keeps once, before they become operators."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from kerasnas.hardware.graph import Graph, Node
from kerasnas.keras_models.traits import of_kind


def split_merges(graph: Graph) -> tuple[Graph, list[int]]:
    """Splits merges of many tensors into merges of two, which TensorFlow runs as soon as it can.

    Returns:
        The graph, and for each of its nodes the position of the one that it stems from.
    """
    if not any(len(node.inputs) > 2 and of_kind(node.kind).commutes for node in graph.nodes):
        return graph, list(range(len(graph.nodes)))
    split, origin = Graph(graph.name), []
    place: dict[int, int] = {}

    def add(position: int, node: Node, inputs: Sequence[int]) -> int:
        origin.append(position)
        split.nodes.append(dataclasses.replace(node, inputs=tuple(inputs)))
        return len(split.nodes) - 1

    for position, node in enumerate(graph.nodes):
        inputs = [place[i] for i in node.inputs]
        if len(inputs) > 2 and of_kind(node.kind).commutes:
            pair = "Add" if node.kind == "Average" else node.kind
            first = inputs[0]
            for other in inputs[1:]:
                first = add(position, dataclasses.replace(node, kind=pair), [first, other])
            if node.kind == "Average":
                mean = dataclasses.replace(node, kind="Rescaling", config=(1 / len(inputs), 0.0))
                first = add(position, mean, [first])
            place[position] = first
        else:
            place[position] = add(position, node, inputs)
    split.outputs = tuple(place[i] for i in graph.outputs)
    return split, origin


def fuse_hard_silu(graph: Graph) -> Graph:
    """Replaces products `x * relu6(x + 3) / 6` by the activation that the converter makes of them.

    What nothing else reads of their parts is then read by nobody, and not in the file.
    """
    nodes = list(graph.nodes)

    def rescales(index: int, scale: float, offset: float) -> bool:
        node = graph.nodes[index]
        given = [number for number in node.config if isinstance(number, int | float)]
        if node.kind != "Rescaling" or len(given) < 2:  # One for each channel, or a cast.
            return False
        return math.isclose(given[0], scale, rel_tol=1e-6) and given[1] == offset

    def relu6_of(index: int) -> int | None:
        """Returns what the `relu6(x + 3)` at an index reads."""
        node = graph.nodes[index]
        if (node.kind, node.config) != ("Activation", ("relu6",)):
            return None
        (shifted,) = node.inputs
        return graph.nodes[shifted].inputs[0] if rescales(shifted, 1, 3) else None

    def sigmoid_of(index: int) -> int | None:
        """Returns what the hard_sigmoid at an index reads, however it is written."""
        node = graph.nodes[index]
        if (node.kind, node.config) == ("Activation", ("hard_sigmoid",)):
            return node.inputs[0]
        return relu6_of(node.inputs[0]) if rescales(index, 1 / 6, 0) else None

    def features_of(index: int, gate_of: Callable[[int], int | None]) -> int | None:
        """Returns the features that are multiplied by a gate made of themselves."""
        node = graph.nodes[index]
        if node.kind == "Multiply" and len(node.inputs) == 2:
            for features, gate in (node.inputs, node.inputs[::-1]):
                if gate_of(gate) == features:
                    return features
        return None

    for index, node in enumerate(graph.nodes):
        if rescales(index, 1 / 6, 0):
            features = features_of(node.inputs[0], relu6_of)
        else:
            features = features_of(index, sigmoid_of)
        if features is not None:
            nodes[index] = dataclasses.replace(
                node, kind="Activation", inputs=(features,), config=("hard_silu",)
            )
    return dataclasses.replace(graph, nodes=nodes)


def twins(graph: Graph, schedule: list[int]) -> dict[int, int]:
    """Returns for each layer the one whose output is used for its own.

    The converter keeps one of several layers that do the same to the same tensor. A layer that does
    nothing outside training is dropped, and stands for what it reads.
    """
    same: dict[int, int] = {}
    first: dict[tuple[object, ...], int] = {}
    for index in schedule:
        node = graph.nodes[index]
        if of_kind(node.kind).inference != "computed":
            same[index] = same[node.inputs[0]]
            continue
        key = (node.kind, tuple(same[i] for i in node.inputs), node.config, node.shape, node.layer)
        unique = (node.weights and node.layer is None) or node.kind == "InputLayer"
        same[index] = index if unique else first.setdefault(key, index)
    return same
