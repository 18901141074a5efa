"""Layers that the converter splits, drops or keeps once, before it makes operators of them."""

import dataclasses
from collections.abc import Sequence

from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.idle import DROPPED

_SPLIT = {"Add", "Average", "Maximum", "Minimum", "Multiply"}


def split_merges(graph: Graph) -> tuple[Graph, list[int]]:
    """Merges of many as merges of two, which TensorFlow runs as soon as it can.

    Returns:
        The graph, and for each of its nodes the position of the one that it stems from.
    """
    if not any(node.kind in _SPLIT and len(node.inputs) > 2 for node in graph.nodes):
        return graph, list(range(len(graph.nodes)))
    split, origin = Graph(graph.name), []
    place: dict[int, int] = {}

    def add(position: int, node: Node, inputs: Sequence[int]) -> int:
        origin.append(position)
        split.nodes.append(dataclasses.replace(node, inputs=tuple(inputs)))
        return len(split.nodes) - 1

    for position, node in enumerate(graph.nodes):
        inputs = [place[i] for i in node.inputs]
        if node.kind in _SPLIT and len(inputs) > 2:
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


def twins(graph: Graph, schedule: list[int]) -> dict[int, int]:
    """For each layer the one whose output stands for its own: a twin's, or a dropped one's input.

    The converter keeps one of several layers that do the same to the same tensor.
    """
    same: dict[int, int] = {}
    first: dict[tuple[object, ...], int] = {}
    for index in schedule:
        node = graph.nodes[index]
        if node.kind in DROPPED:
            same[index] = same[node.inputs[0]]
            continue
        key = (node.kind, tuple(same[i] for i in node.inputs), node.config, node.shape, node.layer)
        unique = (node.weights and node.layer is None) or node.kind == "InputLayer"
        same[index] = index if unique else first.setdefault(key, index)
    return same
