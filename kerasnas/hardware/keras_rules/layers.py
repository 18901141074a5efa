"""How Keras's own layers enter the graph of costs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule, one_node
from kerasnas.hardware.keras_rules.reading import (
    activated,
    activation_name,
    as_floats,
    refusal,
    refused,
    weights_of,
)
from kerasnas.keras_models.traits import names, of_kind
from kerasnas.keras_models.walk import Call


@cost_rule("InputLayer")
def _input(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    dtype = str(call.outputs[0].dtype)
    config = () if "float" in dtype else (dtype,)
    return graph.add("InputLayer", call.operation.name, (), shape, config=config)


@cost_rule("Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose")
@cost_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _convolution(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    kind, config = type(layer).__name__, _windows(layer)
    if kind in ("Conv1D", "Conv2D", "Conv3D"):
        config += (layer.groups,)
    index = graph.add(kind, layer.name, inputs, shape, weights_of(layer), config)
    return activated(graph, layer, index)


@cost_rule("SeparableConv1D", "SeparableConv2D")
def _separable(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    depthwise, *pointwise = weights_of(layer)
    wide = (*shape[:-1], depthwise[-2] * depthwise[-1])
    rank = len(shape) - 1
    kind, name, windows = f"DepthwiseConv{rank}D", f"{layer.name}_depthwise", _windows(layer)
    index = graph.add(kind, name, inputs, wide, [depthwise], windows)
    kind, name, one = f"Conv{rank}D", f"{layer.name}_pointwise", (1,) * rank
    index = graph.add(kind, name, [index], shape, pointwise, (one, "same", one, 1))
    return activated(graph, layer, index)


def _windows(layer: Any) -> tuple[object, ...]:
    return (tuple(layer.strides), layer.padding, tuple(layer.dilation_rate))


@cost_rule("Dense")
def _dense(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    inputs = as_floats(graph, call, inputs)
    index = graph.add("Dense", call.operation.name, inputs, shape, weights_of(call.operation))
    return activated(graph, call.operation, index)


@cost_rule("LSTM", "GRU", "SimpleRNN")
def _recurrent(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    return _of_cell(graph, call, inputs, shape, call.operation)


@cost_rule("RNN")
def _of_one_cell(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    kind = type(layer.cell).__name__
    if not layer.unroll or kind not in ("GRUCell", "LSTMCell", "SimpleRNNCell"):
        what = f"a cell of class {kind} and unroll={layer.unroll}"
        raise refusal(layer, what, "use a layer of its own for each cell, with unroll=True")
    return _of_cell(graph, call, inputs, shape, layer.cell)


def _of_cell(graph: Graph, call: Call, inputs: list[int], shape: Shape, cell: Any) -> int:
    layer: Any = call.operation
    kind = type(cell).__name__.removesuffix("Cell")
    functions = (cell.activation, getattr(cell, "recurrent_activation", None))
    names = [activation_name(layer, function) for function in functions if function is not None]
    usual = names in (["tanh"], ["tanh", "sigmoid"])
    if kind == "LSTM" and not (usual and cell.use_bias):
        what = f"the activations {names} and use_bias={cell.use_bias}"
        raise refusal(layer, what, "the fused operator has tanh and sigmoid, and biases")
    direction = "backwards" if layer.go_backwards else "forwards"
    config: tuple[object, ...] = (layer.return_sequences, direction)
    if layer.unroll and call.inputs[0].shape[1] != 1:
        if not (usual and cell.use_bias and getattr(cell, "reset_after", True)):
            what = f"unroll=True, the activations {names} and use_bias={cell.use_bias}"
            raise refusal(layer, what, "use tanh and sigmoid, biases and reset_after=True")
        config += ("unrolled",)
    # The initial states of a call are constants, or other layers' outputs.
    return graph.add(kind, layer.name, inputs[:1], shape, weights_of(layer), config)


@cost_rule("ReLU")
def _relu(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config: tuple[object, ...] = ("relu",)
    if layer.threshold and (layer.negative_slope or layer.max_value is not None):
        way_out = "use one of threshold, negative_slope and max_value"
        raise refusal(layer, "a threshold, and a slope or a largest value", way_out)
    if layer.threshold:
        config = ("relu_threshold",)
    elif layer.negative_slope and layer.max_value is not None:
        config = ("relu_slope", float(layer.negative_slope), float(layer.max_value))
    elif layer.negative_slope:
        config = ("leaky_relu", float(layer.negative_slope))
    elif layer.max_value is not None:
        config = ("relu6",) if layer.max_value == 6 else ("relu_cut", float(layer.max_value))
    return graph.add("Activation", layer.name, inputs, shape, config=config)


# The name of an activation and its settings. The alpha of an ELU is text, as in the fingerprints of
# saved runs, and so is the slope of a LeakyReLU.
_ACTIVATIONS: dict[str, Callable[[Any], tuple[object, ...]]] = {
    "Activation": lambda layer: (activation_name(layer, layer.activation),),
    "ELU": lambda layer: ("elu", repr(layer.alpha)),
    "Elu": lambda operation: ("elu", repr(operation.alpha)),
    "LeakyReLU": lambda layer: ("leaky_relu", repr(layer.negative_slope)),
    "LeakyRelu": lambda operation: ("leaky_relu", float(operation.negative_slope)),
}


@cost_rule(*_ACTIVATIONS)
def _activation(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = _ACTIVATIONS[type(call.operation).__name__](call.operation)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D")
def _pooling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (tuple(layer.pool_size), tuple(layer.strides), layer.padding)
    return graph.add(type(layer).__name__, layer.name, inputs, shape, config=config)


# The operations of `keras.ops`.
@cost_rule("AveragePool", "MaxPool")
def _pool(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    rank, kind = len(shape) - 1, f"{type(operation).__name__}ing2D"
    if rank not in (1, 2):
        raise refused(call, f"an input of {rank + 2} axes", "pool one axis after another")
    name, strides = operation.name, operation.strides or operation.pool_size
    window, steps = (np.broadcast_to(x, rank).tolist() for x in (operation.pool_size, strides))
    if rank == 2:
        config = (tuple(window), tuple(steps), operation.padding)
        return graph.add(kind, name, inputs, shape, config=config)
    config = ((1, *window), (1, *steps), operation.padding)
    row = (1, *graph.nodes[inputs[0]].shape)
    index = graph.add("Reshape", f"{name}/row", inputs, row)
    index = graph.add(kind, name, [index], (1, *shape), config=config)
    return graph.add("Reshape", f"{name}/sequence", [index], shape)


@cost_rule(*names(lambda traits: traits.inference != "computed"))
def _training_only(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    kind = type(call.operation).__name__
    kind = kind if of_kind(kind).inference != "computed" else "Identity"  # derived from one of them
    inputs = as_floats(graph, call, inputs[:1])
    return graph.add(kind, call.operation.name, inputs, shape)


@cost_rule("Rescaling")
def _rescaling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    inputs = as_floats(graph, call, inputs)
    config = tuple(_number(x) for x in (layer.scale, layer.offset))
    return graph.add("Rescaling", layer.name, inputs, shape, config=config)


def _number(value: Any) -> float | tuple[float, ...]:
    flat = [float(x) for x in np.ravel(value)]
    return flat[0] if len(flat) == 1 else tuple(flat)


@cost_rule("Normalization")
def _normalization(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    config = (repr(layer.axis), layer.invert)
    inputs = as_floats(graph, call, inputs)
    return graph.add("Normalization", layer.name, inputs, shape, weights_of(layer), config)


@cost_rule("BatchNormalization", "GroupNormalization", "LayerNormalization", "UnitNormalization")
def _normalized(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    kind = type(layer).__name__
    axes = tuple(sorted(int(axis) % (len(shape) + 1) for axis in np.ravel(layer.axis)))
    config: tuple[object, ...] = (axes,)
    if kind == "GroupNormalization":
        config += (layer.groups if layer.groups != -1 else shape[axes[0] - 1],)
    elif kind == "LayerNormalization":
        if getattr(layer, "rms_scaling", False):
            raise refusal(layer, "rms_scaling=True", "leave it out")
        config += (float(layer.epsilon), layer.scale, layer.center)
    elif kind == "BatchNormalization" and axes == (len(shape),):
        config = ()
    return graph.add(kind, layer.name, inputs, shape, weights_of(layer), config)


@cost_rule("UpSampling2D")
def _up_sampling(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if layer.interpolation not in ("nearest", "bilinear"):
        what = f"interpolation={layer.interpolation!r}"
        raise refusal(layer, what, "use 'nearest' or 'bilinear'")
    return graph.add("UpSampling2D", layer.name, inputs, shape, config=(layer.interpolation,))


@cost_rule("UpSampling3D")
def _up_sampling_3d(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    """Axis by axis, what is enlarged is taken apart and put together again."""
    layer: Any = call.operation
    (index,), sizes = inputs, list(call.inputs[0].shape[1:])
    for axis, times in enumerate(layer.size, 1):
        count, sizes[axis - 1] = sizes[axis - 1], 1
        name, one = f"{layer.name}/{axis}", tuple(sizes)
        sizes[axis - 1] = count * times
        parts = [index] * times
        if count > 1:
            whole = graph.add("Split", name, [index], one, config=(axis, count, (one,) * count))
            places = [place for place in range(count) for _ in range(times)]
            made = [graph.add("Part", name, [whole], one, config=(i,)) for i in range(count)]
            parts = [made[place] for place in places]
        index = graph.add("Concatenate", name, parts, sizes)
    return index


@cost_rule("Resizing")
def _resizing(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if layer.interpolation not in ("nearest", "bilinear") or layer.antialias:
        what = f"interpolation={layer.interpolation!r}, antialias={layer.antialias}"
        raise refusal(layer, what, "use 'nearest' or 'bilinear' without antialiasing")
    if layer.pad_to_aspect_ratio:
        raise refusal(layer, "pad_to_aspect_ratio=True", "use crop_to_aspect_ratio")
    height, width, channels = call.inputs[0].shape[1:]
    if layer.crop_to_aspect_ratio:
        high = min(height, int(width * shape[0] / shape[1]))
        wide = min(width, int(height * shape[1] / shape[0]))
        inputs = [graph.add("CenterCrop", f"{layer.name}/crop", inputs, (high, wide, channels))]
    return graph.add("UpSampling2D", layer.name, inputs, shape, config=(layer.interpolation,))


@cost_rule("CenterCrop")
def _center_crop(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    source = call.inputs[0].shape[1:]
    if any(want > have for want, have in zip(shape, source, strict=True)):
        raise refusal(call.operation, f"a size beyond its input's, {source}", "use Resizing")
    return graph.add("CenterCrop", call.operation.name, inputs, shape)


@cost_rule("Embedding")
def _embedding(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if "float" in str(call.inputs[0].dtype):
        source = graph.nodes[inputs[0]].shape
        inputs = [graph.add("Cast", f"{layer.name}/cast", inputs, source, config=("int32",))]
    return graph.add("Embedding", layer.name, inputs, shape, weights_of(layer))


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


cost_rule("PReLU", *names(lambda traits: traits.settings is not None))(one_node)
