"""How Keras's own layers and operations enter the graph of costs."""

from typing import Any

import keras
import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import BUILT_IN, RULES, cost_rule
from kerasnas.hardware.walk import Call


def _weights(layer: Any) -> list[Shape]:
    return [tuple(w.shape) for w in layer.weights]


def _activated(graph: Graph, layer: Any, index: int) -> int:
    """Add the activation that the layer applies itself."""
    if getattr(layer, "activation", None) is None:
        return index
    name = _function(layer, layer.activation)
    if name == "linear":
        return index
    shape = graph.nodes[index].shape
    return graph.add("Activation", f"{layer.name}_{name}", [index], shape, config=(name,))


def _function(layer: Any, function: Any) -> str:
    """The name of one of Keras's activations."""
    name = getattr(function, "__name__", None)
    if name is None or not str(getattr(function, "__module__", "")).startswith("keras."):
        raise ValueError(
            f"The activation of layer {layer.name!r} has no cost rule: use one of Keras's by its "
            f"name, or a layer of its own behind this one. Received: activation={function!r}"
        )
    return name


def _refuse(layer: Any, what: str, way_out: str) -> ValueError:
    return ValueError(f"Layer {layer.name!r} has {what}, which has no cost rule: {way_out}")


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
    kind = type(layer).__name__
    if kind == "LSTM":
        names = [_function(layer, f) for f in (layer.activation, layer.recurrent_activation)]
        if names != ["tanh", "sigmoid"]:
            what = f"the activations {names}"
            raise _refuse(layer, what, "the fused operator has tanh and sigmoid")
    config = (layer.return_sequences, "backwards" if layer.go_backwards else "forwards")
    # The initial states of a call are constants, or other layers' outputs.
    return graph.add(kind, layer.name, inputs[:1], shape, _weights(layer), config)


@cost_rule("NotEqual")
def _mask(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    raise _refuse(call.operation, "a mask", "make the Embedding with mask_zero=False")


@cost_rule("ReLU")
def _relu(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config: tuple[object, ...] = ("relu",)
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        raise _refuse(
            layer,
            "a threshold, or a slope and a largest value",
            "use one of negative_slope and max_value",
        )
    if layer.negative_slope:
        config = ("leaky_relu", float(layer.negative_slope))
    elif layer.max_value is not None:
        config = ("relu6",) if layer.max_value == 6 else ("relu_cut", float(layer.max_value))
    return graph.add("Activation", layer.name, inputs, shape, config=config)


@cost_rule("Activation")
def _activation(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (_function(layer, layer.activation),)
    return graph.add("Activation", layer.name, inputs, shape, config=config)


@cost_rule("Softmax")
def _softmax(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if len(axes) != 1:
        raise _refuse(layer, f"the axes {axes}", "one of one axis after a Reshape does the same")
    axis = axes[0] % (len(shape) + 1) - 1
    config = ("softmax",) if axis == len(shape) - 1 else ("softmax", axis)
    return graph.add("Activation", layer.name, inputs, shape, config=config)


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
    config = (repr(layer.axis), layer.invert, "int" in str(call.inputs[0].dtype))
    return graph.add("Normalization", layer.name, inputs, shape, _weights(layer), config)


@cost_rule("BatchNormalization")
def _batch_normalization(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if layer.axis not in (-1, len(shape)):
        raise _refuse(layer, f"axis={layer.axis}", "normalize the last axis")
    return graph.add("BatchNormalization", layer.name, inputs, shape, _weights(layer))


@cost_rule("UpSampling2D")
def _up_sampling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if layer.interpolation not in ("nearest", "bilinear"):
        what = f"interpolation={layer.interpolation!r}"
        raise _refuse(layer, what, "use 'nearest' or 'bilinear'")
    return graph.add("UpSampling2D", layer.name, inputs, shape, config=(layer.interpolation,))


@cost_rule("LayerNormalization")
def _layer_normalization(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (float(layer.epsilon),)
    return graph.add("LayerNormalization", layer.name, inputs, shape, _weights(layer), config)


@cost_rule("Embedding", "PReLU")
def _weighted(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    weights = _weights(call.operation)
    return graph.add(type(call.operation).__name__, call.operation.name, inputs, shape, weights)


# Layers of Keras Applications, as the bridge rebuilds them.
@cost_rule("LayerScale")
def _layer_scale(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    weights = [(1, 1, shape[-1], 1)]
    config = ((1, 1), "valid", (1, 1))
    return graph.add("DepthwiseConv2D", call.operation.name, inputs, shape, weights, config)


@cost_rule("StochasticDepth")
def _stochastic_depth(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    return graph.add("Dropout", layer.name, inputs, shape, config=(layer.drop_path_rate,))


@cost_rule("CustomScaleLayer")
def _scaled_sum(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    name, config = f"{layer.name}_scale", (float(layer.scale), 0.0)
    scaled = graph.add("Rescaling", name, inputs[1:], shape, config=config)
    return graph.add("Add", layer.name, [inputs[0], scaled], shape)


# What else than the shapes tells two layers apart.
_SETTINGS = {
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping",),
    "Dropout": ("rate",),
    "GroupNormalization": ("groups",),
    "Permute": ("dims",),
    "UnitNormalization": ("axis",),
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
    config = _affine("Divide", call)
    return graph.add("Rescaling", call.operation.name, inputs, shape, config=config)


def _affine(kind: str, call: Call) -> tuple[object, object]:
    """The factor and the offset of an operation on a tensor and a number."""
    first, second = [*call.args, *call.kwargs.values()][:2]
    tensor_first = isinstance(first, keras.KerasTensor)
    number = second if tensor_first else first
    divides = kind == "Divide" and (not tensor_first or not number)
    if len(call.inputs) > 1 or np.ndim(number) or divides:
        raise _refuse(
            call.operation, f"the operands {first} and {second}", "the exporter takes one number"
        )
    if kind == "Multiply":
        return float(number), 0.0
    if kind == "Divide":
        return 1 / float(number), 0.0
    if kind == "Add":
        return 1.0, float(number)
    return (1.0, -float(number)) if tensor_first else (-1.0, float(number))


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


BUILT_IN.update(RULES)
