"""A built Keras model as a graph of costs."""

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.without_costs import REASONS
from kerasnas.keras_models.traits import is_augmentation, traits_of
from kerasnas.keras_models.walk import Call, reads_mask, walk

# What to add to the graph for one call: (graph, call, positions read, output shape) -> position, or
# positions where the call has several outputs.
Rule = Callable[[Graph, Call, list[int], Shape], int | list[int]]

RULES: dict[str, Rule] = {}
# The rules that came with kerasnas, which hold for Keras's own classes only.
BUILT_IN: dict[str, Rule] = {}


def cost_rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Registers how layers of the given class names enter the graph.

    Args:
        *kinds: Class names of Keras layers or operations.

    Returns:
        A decorator for a function of (graph, call, inputs, shape): it adds one node or more with
        `graph.add`, of kinds that are class names of Keras layers, and returns the position of the
        last.

    Example:

    >>> from kerasnas.hardware import cost_rule
    >>> @cost_rule("MyScale")
    ... def my_scale(graph, call, inputs, shape):
    ...     weights = [tuple(w.shape) for w in call.operation.weights]
    ...     return graph.add("Multiply", call.operation.name, inputs, shape, weights)
    """

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def one_node(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    """Adds a layer that costs what its class, shapes and `LayerTraits.settings` tell."""
    layer: Any = call.operation
    config = [_setting(getattr(layer, name)) for name in traits_of(layer).settings or ()]
    weights = [tuple(weight.shape) for weight in layer.weights]
    return graph.add(type(layer).__name__, layer.name, inputs, shape, weights, config)


def _setting(value: Any) -> object:
    return tuple(_setting(x) for x in value) if isinstance(value, (list, tuple)) else value


def find_rule(operation: keras.Operation) -> Rule | None:
    """Returns the rule of a layer or an operation, or None if it has none."""
    rule, traits = RULES.get(type(operation).__name__), traits_of(operation)
    if rule is None and traits.settings is not None:
        return one_node
    # A layer of the user's own, or one derived from augmentation of Keras.
    if rule is None and (traits.inference == "nothing" or is_augmentation(operation)):
        return RULES["GaussianNoise"]
    return rule


def keras_graph(model: keras.Model) -> Graph:
    """Reads a built Keras model.

    Args:
        model: A built Sequential or Functional Keras 3 model.

    Returns:
        Its layers in the order of execution, nested models inlined, fused activations apart.

    Raises:
        ValueError: A dimension other than the batch is unknown, a layer has no rule, or the model
            is not built or not Sequential or Functional.
    """
    graph = Graph(model.name)
    place: dict[int, int] = {}
    calls = walk(model)
    # Inputs first, in the order in which the file has them.
    places = {id(tensor): number for number, tensor in enumerate(model.inputs)}
    calls.sort(key=lambda call: places.get(id(call.outputs[0]), len(places)))
    times = collections.Counter(id(call.operation) for call in calls)
    shared: dict[int, int] = {}
    for call in filter(reads_mask, calls):
        raise ValueError(
            f"Layer {call.operation.name!r} of class {type(call.operation).__name__} reads a mask, "
            "which has no cost rule: make the Embedding with mask_zero=False, or leave the Masking "
            "layer out"
        )
    for call in calls:
        operation, output = call.operation, call.outputs[0]
        rule = _rule_of(call)
        inputs = [place[id(tensor)] for tensor in call.inputs]
        known = len(graph.nodes)
        index = rule(graph, call, inputs, tuple(output.shape[1:]))
        made = index if isinstance(index, list) else [index]
        if not all(isinstance(i, int) and 0 <= i < len(graph.nodes) for i in made):
            raise ValueError(
                f"The cost rule of class {type(operation).__name__} must return what `graph.add` "
                f"gives for its last node. Received: {index!r}"
            )
        if len(made) != len(call.outputs):
            raise ValueError(
                f"Layer {operation.name!r} of class {type(operation).__name__} has "
                f"{len(call.outputs)} outputs, which cannot be costed: only layers of one output "
                f"can. Received: outputs of shapes {[tuple(t.shape) for t in call.outputs]}"
            )
        if times[id(operation)] > 1:
            number = shared.setdefault(id(operation), len(shared))
            for i in range(known, len(graph.nodes)):
                if graph.nodes[i].weights:
                    graph.nodes[i] = dataclasses.replace(graph.nodes[i], layer=number)
        place |= {id(tensor): i for tensor, i in zip(call.outputs, made, strict=True)}
    graph.outputs = tuple(place[id(tensor)] for tensor in model.outputs)
    return graph


def add_layer(graph: Graph, layer: keras.layers.Layer, index: int) -> int:
    """Adds a layer that reads one node.

    Args:
        graph: What is added to.
        layer: Keras layer of one input and one output. It is built here if it is not built yet.
        index: Position of the node that it reads.

    Returns:
        Position of its last node.

    Raises:
        ValueError: If nothing is known of its cost, or it has several outputs.
    """
    source = keras.KerasTensor((None, *graph.nodes[index].shape))
    target = layer(source)
    if not isinstance(target, keras.KerasTensor):
        raise ValueError(f"Layer {layer.name!r} must have one output. Received: {target}")
    call = Call(layer, (source,), {}, (source,), (target,))
    made = _rule_of(call)(graph, call, [index], tuple(target.shape[1:]))
    assert isinstance(made, int)
    return made


def _rule_of(call: Call) -> Rule:
    """Returns the rule for a call, or raises an error that says why its cost cannot be told."""
    operation = call.operation
    kind = type(operation).__name__
    rule, reason = find_rule(operation), REASONS.get(kind)
    own = type(operation).__module__.startswith("keras.")
    # A class of the user's own that has the name of one of Keras's may do anything.
    if rule is None or (rule is BUILT_IN.get(kind) and not own):
        raise ValueError(
            f"Layer {operation.name!r} of class {kind} has no cost rule"
            f"{f', as {reason}' if own and reason else ''}. Or register one with "
            f"kerasnas.hardware.cost_rule({kind!r})"
        )
    if None in call.outputs[0].shape[1:]:
        raise ValueError(_unknown_dimension(call))
    if getattr(operation, "data_format", None) == "channels_first":
        raise ValueError(
            f"Layer {operation.name!r} has data_format='channels_first', which the exporter does "
            "not take: build the model with 'channels_last'"
        )
    return rule


# What the axes of an input are called, by its rank.
_AXES = {3: ("batch", "steps"), 4: ("batch", "height", "width")}


def _unknown_dimension(call: Call) -> str:
    """Says which dimension of which layer is unknown, and what to do."""
    layer, shape = call.operation, tuple(call.outputs[0].shape)
    unknown = [axis for axis in range(1, len(shape)) if shape[axis] is None]
    which = " and ".join(map(str, unknown))
    found = (
        f"Layer {layer.name!r} has the shape {shape}: "
        f"{f'dimension {which} is' if len(unknown) == 1 else f'dimensions {which} are'} unknown "
        "(0 is the batch), and so is the size of what is computed from it. "
    )
    if call.inputs:
        return (
            f"{found}What it reads has a known shape, so {type(layer).__name__} itself leaves this "
            "open: give it arguments, or a compute_output_shape, that settle it"
        )
    names = dict(enumerate(_AXES.get(len(shape), ())))
    sizes = [
        names.get(axis, f"size_{axis}") if axis in unknown else str(shape[axis])
        for axis in range(1, len(shape))
    ]
    fixed = f"keras.Input(({', '.join(sizes)}{',' if len(sizes) == 1 else ''}))"
    return (
        f"{found}Give it numbers: x = {fixed}. A trained model keeps its weights when it is "
        "called on such an input: keras.Model(x, model(x))"
    )
