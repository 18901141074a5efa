"""A built Keras model as a graph of costs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

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
    graph = Graph(model.name)
    place: dict[int, int] = {}
    for call in walk(model):
        operation, output = call.operation, call.outputs[0]
        kind = type(operation).__name__
        if kind not in _RULES:
            raise ValueError(
                f"Layer {operation.name!r} of class {kind} has no cost rule; register one with "
                f"kerasnas.hardware.cost_rule({kind!r})"
            )
        if len(call.outputs) > 1:
            raise ValueError(
                f"Layer {operation.name!r} of class {kind} has {len(call.outputs)} outputs, which "
                "cannot be costed: only layers of one output can. Received: outputs of shapes "
                f"{[tuple(t.shape) for t in call.outputs]}"
            )
        if None in output.shape[1:]:
            raise ValueError(_unknown_dimension(call))
        inputs = [place[id(tensor)] for tensor in call.inputs]
        place[id(output)] = _RULES[kind](graph, call, inputs, tuple(output.shape[1:]))
    graph.outputs = tuple(place[id(tensor)] for tensor in model.outputs)
    return graph


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


@cost_rule("Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose")
def _convolution(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = _windows(layer)
    if not type(layer).__name__.endswith("Transpose"):
        config += (layer.groups,)
    index = graph.add(type(layer).__name__, layer.name, inputs, shape, _weights(layer), config)
    return _activated(graph, layer, index)


@cost_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    kind = type(layer).__name__
    index = graph.add(kind, layer.name, inputs, shape, _weights(layer), _windows(layer))
    return _activated(graph, layer, index)


@cost_rule("SeparableConv1D", "SeparableConv2D")
def _separable(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    depthwise, *pointwise = _weights(layer)
    wide = (*shape[:-1], depthwise[-2] * depthwise[-1])
    rank = len(shape) - 1
    index = graph.add(
        f"DepthwiseConv{rank}D",
        f"{layer.name}_depthwise",
        inputs,
        wide,
        [depthwise],
        _windows(layer),
    )
    one = (1,) * rank
    index = graph.add(
        f"Conv{rank}D",
        f"{layer.name}_pointwise",
        [index],
        shape,
        pointwise,
        (one, "same", one, 1),
    )
    return _activated(graph, layer, index)


def _windows(layer: Any) -> tuple[object, ...]:
    return (tuple(layer.strides), layer.padding, tuple(layer.dilation_rate))


@cost_rule("Dense")
def _dense(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    index = graph.add("Dense", call.operation.name, inputs, shape, _weights(call.operation))
    return _activated(graph, call.operation, index)


@cost_rule("LSTM", "GRU", "SimpleRNN")
def _recurrent(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (layer.return_sequences, layer.go_backwards)
    # The initial states of a call are constants, or other layers' outputs.
    return graph.add(type(layer).__name__, layer.name, inputs[:1], shape, _weights(layer), config)


@cost_rule("ReLU")
def _relu(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config: tuple[object, ...] = ("relu",)
    if layer.negative_slope or layer.threshold:
        config = ("leaky_relu", float(layer.negative_slope), float(layer.threshold))
    elif layer.max_value is not None:
        config = ("relu6",) if layer.max_value == 6 else ("relu_cut", float(layer.max_value))
    return graph.add("Activation", layer.name, inputs, shape, config=config)


@cost_rule("Activation")
def _activation(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    name = layer.activation.__name__
    return graph.add("Activation", layer.name, inputs, shape, config=(name,))


def _activations(functions: dict[str, str], settings: str = "") -> None:
    """Layers and operations that are an activation, by class name, and the setting they have."""

    for kind, function in functions.items():

        def rule(
            graph: Graph, call: Call, inputs: list[int], shape: Shape, function: str = function
        ) -> int:
            config = [function]
            config += [repr(getattr(call.operation, settings))] if settings else []
            return graph.add("Activation", call.operation.name, inputs, shape, config=config)

        cost_rule(kind)(rule)


_activations({"ELU": "elu", "Elu": "elu"}, "alpha")
_activations({"LeakyReLU": "leaky_relu"}, "negative_slope")
_activations({"Softmax": "softmax"}, "axis")
_activations({"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu"})
_activations({"Softplus": "softplus", "Softsign": "softsign", "Tanh": "tanh"})


@cost_rule("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D")
def _pooling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (tuple(layer.pool_size), tuple(layer.strides), layer.padding)
    return graph.add(type(layer).__name__, layer.name, inputs, shape, config=config)


@cost_rule("Rescaling")
def _rescaling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = tuple(_number(x) for x in (layer.scale, layer.offset))
    return graph.add("Rescaling", layer.name, inputs, shape, config=config)


def _number(value: Any) -> float | tuple[float, ...]:
    flat = [float(x) for x in np.ravel(value)]
    return flat[0] if len(flat) == 1 else tuple(flat)


@cost_rule("Normalization")
def _normalization(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (repr(layer.axis), layer.invert)
    return graph.add("Normalization", layer.name, inputs, shape, _weights(layer), config)


@cost_rule("BatchNormalization", "Embedding", "LayerNormalization", "PReLU")
def _weighted(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    weights = _weights(call.operation)
    return graph.add(type(call.operation).__name__, call.operation.name, inputs, shape, weights)


# What else than the shapes tells two layers apart.
_SETTINGS = {
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping",),
    "Dropout": ("rate",),
    "GroupNormalization": ("groups",),
    "Permute": ("dims",),
    "UnitNormalization": ("axis",),
    "UpSampling2D": ("interpolation",),
    "ZeroPadding1D": ("padding",),
    "ZeroPadding2D": ("padding",),
}


@cost_rule(
    *("ActivityRegularization", "GaussianDropout", "GaussianNoise", "Identity"),
    *("Average", "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "RepeatVector", "SpatialDropout1D"),
    *("SpatialDropout2D", "UpSampling1D", *_SETTINGS),
)
def _plain(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    kind = type(layer).__name__
    config = [_setting(getattr(layer, name)) for name in _SETTINGS.get(kind, ())]
    return graph.add(kind, layer.name, inputs, shape, _weights(layer), config)


def _setting(value: Any) -> object:
    return tuple(_setting(x) for x in value) if isinstance(value, (list, tuple)) else value


# Layers, and the operations of `keras.ops` that do the same.
@cost_rule("Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Reshape", "Subtract")
def _layer_or_operation(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    kind, name = type(call.operation).__name__, call.operation.name
    if kind in ("Add", "Multiply", "Subtract") and len(inputs) == 1:
        return graph.add("Rescaling", name, inputs, shape, config=_affine(kind, call))
    return graph.add(kind, name, inputs, shape)


@cost_rule("Divide", "TrueDivide")
def _division(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    if len(inputs) > 1:
        raise ValueError(
            f"Operation {call.operation.name!r} divides two tensors, which has no cost rule: "
            "multiply by a constant, or register a rule with kerasnas.hardware.cost_rule('Divide')"
        )
    config = _affine("Divide", call)
    return graph.add("Rescaling", call.operation.name, inputs, shape, config=config)


def _affine(kind: str, call: Call) -> tuple[object, object]:
    """The factor and the offset of an operation on a tensor and constants."""
    first, second = [*call.args, *call.kwargs.values()][:2]
    tensor_first = isinstance(first, keras.KerasTensor)
    number = np.asarray(second if tensor_first else first, dtype=float)
    if kind == "Multiply":
        return _number(number), 0.0
    if kind == "Divide":
        return _number(1 / number), 0.0
    if kind == "Add":
        return 1.0, _number(number)
    return (1.0, _number(-number)) if tensor_first else (-1.0, _number(number))


@cost_rule("ExpandDims", "Squeeze")
def _other_shape(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    return graph.add("Reshape", call.operation.name, inputs, shape)


@cost_rule("Transpose")
def _transpose(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = (tuple(call.operation.axes or ()),)
    return graph.add("Permute", call.operation.name, inputs, shape, config=config)


@cost_rule("Max", "Mean")
def _reduction(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    rank = len(call.inputs[0].shape)
    axes = operation.axis if isinstance(operation.axis, (list, tuple)) else [operation.axis]
    if rank not in (3, 4) or sorted(a % rank for a in axes if a is not None) != [
        *range(1, rank - 1)
    ]:
        raise ValueError(
            f"Operation {operation.name!r} reduces axes {operation.axis} of a tensor of shape "
            f"{call.inputs[0].shape}, which has no cost rule: reduce height and width, or register "
            f"a rule with kerasnas.hardware.cost_rule({type(operation).__name__!r})"
        )
    kind = "Max" if type(operation).__name__ == "Max" else "Average"
    return graph.add(f"Global{kind}Pooling{rank - 2}D", operation.name, inputs, shape)
