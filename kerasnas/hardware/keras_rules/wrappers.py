"""How layers that run other layers enter the graph of costs: over time steps, and both ways."""

import dataclasses
from typing import Any

import keras

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule, find_rule
from kerasnas.hardware.keras_rules.reading import refusal
from kerasnas.keras_models.traits import traits_of
from kerasnas.keras_models.walk import Call, walk


@cost_rule("TimeDistributed")
def _time_distributed(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    wrapper: Any = call.operation
    inner = wrapper.layer
    known = len(graph.nodes)
    if traits_of(inner).steps == "each":
        index = _run(graph, dataclasses.replace(call, operation=inner), inputs, shape)
    elif type(inner).__name__ in ("Flatten", "Reshape"):
        index = graph.add("Reshape", wrapper.name, inputs, shape)
    else:
        index = _batched(graph, wrapper, call, inputs, shape)
    for i in range(known, len(graph.nodes)):
        graph.nodes[i] = dataclasses.replace(graph.nodes[i], name=wrapper.name)
    return index


def _batched(graph: Graph, wrapper: Any, call: Call, inputs: list[int], shape: Shape) -> int:
    """Adds a layer of images, or a model of such layers, that reads the time steps as a batch."""
    inner, steps = wrapper.layer, shape[0]
    calls = walk(inner) if isinstance(inner, keras.Model) else []
    if not calls:
        ends = (*call.inputs, *call.outputs)
        source, target = (keras.KerasTensor((None, *x.shape[2:])) for x in ends)
        calls = [Call(inner, (source,), {}, (source,), (target,))]
    source = graph.nodes[inputs[0]].shape
    place: dict[int, int] = {}
    first = graph.add("Steps", wrapper.name, inputs, source, config=("apart",))
    for one in calls:
        kind = type(one.operation).__name__
        if kind == "InputLayer":
            place[id(one.outputs[0])] = first
            continue
        if traits_of(one.operation).steps is None and kind != "Flatten":
            what = f"a layer of class {kind} over time steps"
            raise refusal(wrapper, what, "use layers of images and Dense")
        known = len(graph.nodes)
        reads = [place.get(id(tensor), first) for tensor in one.inputs]
        index = _run(graph, one, reads, tuple(one.outputs[0].shape[1:]))
        for i in range(known, len(graph.nodes)):
            node = graph.nodes[i]
            config = ("steps",) if node.kind.startswith("Global") else node.config
            many = (steps, *node.shape)
            graph.nodes[i] = dataclasses.replace(node, shape=many, config=config)
        place[id(one.outputs[0])] = index
    # A Flatten inside already becomes a reshape, which makes a sequence of the batch as well.
    if any(type(one.operation).__name__ == "Flatten" for one in calls):
        return index
    return graph.add("Steps", wrapper.name, [index], shape, config=("together",))


def _run(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    rule = find_rule(call.operation)
    assert rule is not None
    index = rule(graph, call, inputs, shape)
    assert isinstance(index, int)
    return index


_MERGES = {"ave": "Average", "concat": "Concatenate", "mul": "Multiply", "sum": "Add"}


@cost_rule("Bidirectional")
def _bidirectional(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    wrapper: Any = call.operation
    if wrapper.merge_mode not in _MERGES:
        way_out = f"use one of {tuple(_MERGES)}"
        raise refusal(wrapper, f"merge_mode={wrapper.merge_mode!r}", way_out)
    ends = []
    for direction in ("forward", "backward"):
        layer = getattr(wrapper, f"{direction}_layer")
        made = tuple(layer.compute_output_shape(call.inputs[0].shape)[1:])
        target = keras.KerasTensor((None, *made))
        inner = Call(layer, call.args[:1], {}, call.inputs[:1], (target,))
        known = len(graph.nodes)
        index = _run(graph, inner, inputs[:1], made)
        for i in range(known, len(graph.nodes)):
            name = f"{wrapper.name}/{direction}_{graph.nodes[i].name}"
            graph.nodes[i] = dataclasses.replace(graph.nodes[i], name=name)
        if layer.go_backwards and layer.return_sequences:
            name = f"{wrapper.name}/{direction}_reversed"
            index = graph.add("Flip", name, [index], made, config=(1,))
        ends.append(index)
    return graph.add(_MERGES[wrapper.merge_mode], wrapper.name, ends, shape)
