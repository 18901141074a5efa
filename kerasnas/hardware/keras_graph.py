"""A built Keras model as a graph of costs."""

from collections.abc import Callable
from typing import Any

import keras

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.walk import Call, walk

# What to add to the graph for one call: (graph, call, positions read, output shape) -> position.
Rule = Callable[[Graph, Call, list[int], Shape], int]

_RULES: dict[str, Rule] = {}


def cost_rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register how layers of the given class names enter the graph.

    Args:
        *kinds: Class names of Keras layers or operations.

    Returns:
        A decorator for a function of (graph, call, inputs, shape): it adds one node or more with
        `graph.add` and returns the position of the last.

    Example:

    >>> from kerasnas.hardware import cost_rule
    >>> @cost_rule("MyScale")
    ... def my_scale(graph, call, inputs, shape):
    ...     weights = [tuple(w.shape) for w in call.operation.weights]
    ...     return graph.add("Multiply", call.operation.name, inputs, shape, weights)
    """

    def register(rule: Rule) -> Rule:
        for kind in kinds:
            _RULES[kind] = rule
        return rule

    return register


def keras_graph(model: keras.Model) -> Graph:
    """Read a built Keras model.

    Args:
        model: A built Sequential or Functional Keras 3 model.

    Returns:
        Its layers in the order of execution, nested models inlined, fused activations apart.

    Raises:
        ValueError: A dimension other than the batch is unknown, a layer has no rule, or the model
            is not built or not Sequential or Functional.
    """
    graph = Graph()
    place: dict[int, int] = {}
    for call in walk(model):
        operation, output = call.operation, call.outputs[0]
        kind = type(operation).__name__
        if kind not in _RULES:
            raise ValueError(
                f"Layer {operation.name!r} of class {kind} has no cost rule; register one with "
                f"kerasnas.hardware.cost_rule({kind!r})"
            )
        if len(call.outputs) > 1 or any(n is None for n in output.shape[1:]):
            raise ValueError(
                f"Layer {operation.name!r} has an output that cannot be costed: shapes "
                f"{[tuple(t.shape) for t in call.outputs]}. Give keras.Input a shape without None"
            )
        inputs = [place[id(tensor)] for tensor in call.inputs]
        place[id(output)] = _RULES[kind](graph, call, inputs, tuple(output.shape[1:]))
    graph.outputs = tuple(place[id(tensor)] for tensor in model.outputs)
    return graph


def _weights(layer: Any) -> list[Shape]:
    return [tuple(w.shape) for w in layer.weights]


def _activated(graph: Graph, layer: Any, index: int) -> int:
    """Add the activation that the layer applies itself."""
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", str(function))
    if function is None or name == "linear":
        return index
    shape = graph.nodes[index].shape
    return graph.add("Activation", f"{layer.name}_{name}", [index], shape, config=(name,))


@cost_rule("InputLayer")
def _input(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    return graph.add("InputLayer", call.operation.name, (), shape)


@cost_rule("Conv1D", "Conv2D", "Conv2DTranspose")
def _convolution(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config: tuple[object, ...] = (tuple(layer.strides), layer.padding, tuple(layer.dilation_rate))
    if not isinstance(layer, keras.layers.Conv2DTranspose):
        config += (layer.groups,)
    index = graph.add(type(layer).__name__, layer.name, inputs, shape, _weights(layer), config)
    return _activated(graph, layer, index)


@cost_rule("DepthwiseConv2D")
def _depthwise(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (tuple(layer.strides), layer.padding, tuple(layer.dilation_rate))
    index = graph.add("DepthwiseConv2D", layer.name, inputs, shape, _weights(layer), config)
    return _activated(graph, layer, index)


@cost_rule("SeparableConv2D")
def _separable(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    depthwise, *pointwise = _weights(layer)
    wide = (*shape[:-1], depthwise[2] * depthwise[3])
    config = (tuple(layer.strides), layer.padding, tuple(layer.dilation_rate))
    index = graph.add(
        "DepthwiseConv2D", f"{layer.name}_depthwise", inputs, wide, [depthwise], config
    )
    index = graph.add(
        "Conv2D", f"{layer.name}_pointwise", [index], shape, pointwise, ((1, 1), "same", (1, 1), 1)
    )
    return _activated(graph, layer, index)


@cost_rule("Dense")
def _dense(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    index = graph.add("Dense", call.operation.name, inputs, shape, _weights(call.operation))
    return _activated(graph, call.operation, index)


@cost_rule("BatchNormalization")
def _batch_normalization(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    weights = _weights(call.operation)
    return graph.add("BatchNormalization", call.operation.name, inputs, shape, weights)


@cost_rule("ReLU")
def _relu(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    limit = layer.max_value
    function = "relu" if limit is None else "relu6" if limit == 6 else f"relu{limit}"
    return graph.add("Activation", layer.name, inputs, shape, config=(function,))


@cost_rule("Activation", "Softmax")
def _activation(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    function = "softmax" if isinstance(layer, keras.layers.Softmax) else layer.activation.__name__
    return graph.add("Activation", layer.name, inputs, shape, config=(function,))


@cost_rule("MaxPooling2D", "AveragePooling2D")
def _pooling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (tuple(layer.pool_size), tuple(layer.strides), layer.padding)
    return graph.add(type(layer).__name__, layer.name, inputs, shape, config=config)


@cost_rule(
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Flatten",
    "Reshape",
    "Dropout",
    "SpatialDropout2D",
    "Identity",
    "Add",
    "Subtract",
    "Multiply",
    "Average",
    "Maximum",
    "Minimum",
    "Concatenate",
    "ZeroPadding2D",
    "Cropping2D",
    "UpSampling2D",
    "Rescaling",
)
def _plain(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer = call.operation
    config = (layer.rate,) if isinstance(layer, keras.layers.Dropout) else ()
    return graph.add(type(layer).__name__, layer.name, inputs, shape, config=config)
