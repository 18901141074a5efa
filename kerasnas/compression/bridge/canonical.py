"""Rewrites that change a network's layers but not its outputs, for quantization-aware training.

TensorFlow Model Optimization quantizes the layers it knows in the arrangements it knows, and
refuses or leaves in float the rest. Each rewrite here turns one such case into a known one.
"""

import math

import keras
import numpy as np

from kerasnas.compression.bridge.graph import Graph, LayerSpec, Node

# A BatchNormalization after one of these is folded into it by the converter.
_FOLDED_BY_CONVERTER = ("Conv2D", "DepthwiseConv2D")
# After one of these it must be folded here; the axis of the kernel that holds the outputs.
_FOLDED_HERE = {"Dense": -1, "Conv2DTranspose": -2}
# Layers whose output has the range of their input.
RANGE_PASSING = (
    *("Cropping2D", "Dropout", "Flatten", "GlobalMaxPooling2D", "MaxPooling2D", "Permute"),
    *("Reshape", "SpatialDropout2D", "ZeroPadding2D"),
)
_MERGES_OF_MANY = ("Add", "Maximum", "Minimum", "Multiply")
# Do nothing outside training, and quantization-aware training cannot wrap them.
_DROPPED = ("GaussianDropout", "GaussianNoise", "Identity")


def canonical(graph: Graph) -> Graph:
    """Brings a graph into the form that quantization-aware training can quantize completely.

    Identity and noise layers go; a ReLU with a slope becomes a LeakyReLU; a SeparableConv2D becomes
    its two convolutions; an Average becomes a scaled Add, and a merge of many a chain of merges of
    two; an activation inside a layer becomes a layer of its own (except linear and relu); a
    BatchNormalization after Dense or Conv2DTranspose is folded into it; one that follows nothing it
    could be folded into, Rescaling and Normalization become a 1x1 DepthwiseConv2D with bias.

    Args:
        graph: Graph as read from a model. Its layers are changed in place.

    Returns:
        The same graph.
    """
    graph.remove_idle(lambda node: node.layer.kind in _DROPPED)
    _leaky(graph)
    _average_to_add(graph)
    _split_merges(graph)
    _split_separable(graph)
    _split_activations(graph)
    _fold_batch_normalization(graph)
    _detach_inputs(graph)
    _affine_to_depthwise(graph)
    return graph


def _remove(graph: Graph, node: Node) -> None:
    graph.nodes.remove(node)
    graph.replace(node.output, node.inputs[0])


def _append(graph: Graph, node: Node, layer: LayerSpec, shape: tuple[int | None, ...]) -> Node:
    """Puts a layer after a node, whose own output now has the given shape."""
    made = Node(layer, [keras.KerasTensor(shape)], node.output)
    made.args = (made.inputs[0],)
    node.output = made.inputs[0]
    graph.nodes.insert(graph.nodes.index(node) + 1, made)
    return made


def _new_layer(graph: Graph, name: str, kind: str, **config: object) -> LayerSpec:
    taken = {node.layer.name for node in graph.nodes}
    while name in taken:
        name += "_"
    return LayerSpec(name, kind, config)


def _leaky(graph: Graph) -> None:
    # TFMOT takes every ReLU layer for one that is fused with the layer before it.
    for node in graph.nodes:
        spec = node.layer
        slope = spec.config.get("negative_slope")
        cut = spec.config.get("max_value") is not None or spec.config.get("threshold")
        if spec.kind == "ReLU" and slope and not cut:
            spec.kind, spec.config = "LeakyReLU", {"alpha": slope}


def _average_to_add(graph: Graph) -> None:
    # The converter makes two operators of it, and the sum between them has no range.
    scalings: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind == "Average":
            config = {"scale": 1 / len(node.inputs), "offset": 0.0}
            scalings[id(spec)] = _new_layer(graph, f"{spec.name}_mean", "Rescaling", **config)
            spec.kind = "Add"
        if id(spec) in scalings:
            _append(graph, node, scalings[id(spec)], node.output.shape)


def _detach_inputs(graph: Graph) -> None:
    # An int8 merge of one scale would clip its other inputs to the range of the model's input.
    makers = {id(node.output): node for node in graph.nodes}
    for node in list(graph.nodes):
        if node.layer.kind not in ("Concatenate", "Maximum", "Minimum"):
            continue
        for number, tensor in enumerate(node.inputs):
            maker = makers[id(tensor)]
            while maker.layer.kind in RANGE_PASSING:
                maker = makers[id(maker.inputs[0])]
            if maker.layer.kind == "InputLayer":
                _detach(graph, node, number)


def _detach(graph: Graph, node: Node, number: int) -> None:
    """Puts a layer that does nothing before one input of a merge."""
    tensor = node.inputs[number]
    name = f"{node.layer.name}_input_{number}"
    layer = _new_layer(graph, name, "Rescaling", scale=1.0, offset=0.0)
    detached = keras.KerasTensor(tensor.shape)
    graph.nodes.insert(graph.nodes.index(node), Node(layer, [tensor], detached, (tensor,)))
    node.inputs[number] = detached
    node.args = (list(node.inputs),)


def _split_merges(graph: Graph) -> None:
    # The converter would do it, and leave what is between them without a range, in float.
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind not in _MERGES_OF_MANY or len(node.inputs) <= 2:
            continue
        first, second, *rest = node.inputs
        node.inputs, node.args = [first, second], ([first, second],)
        for number, tensor in enumerate(rest, 3):
            layer = _new_layer(graph, f"{spec.name}_{number}", spec.kind, **spec.config)
            node = _append(graph, node, layer, node.output.shape)
            node.inputs.append(tensor)
            node.args = (list(node.inputs),)


def _split_separable(graph: Graph) -> None:
    # TFMOT would split it too, but gives the halves names that other layers may have.
    second_halves: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind == "SeparableConv2D":
            second_halves[id(spec)] = _separate(graph, spec)
        if id(spec) in second_halves:
            channels = spec.weights[0].shape[-2] * spec.weights[0].shape[-1]
            _append(graph, node, second_halves[id(spec)], (*node.output.shape[:-1], channels))


def _separate(graph: Graph, spec: LayerSpec) -> LayerSpec:
    """Leaves the depthwise half in a separable convolution's place and returns the other."""
    config, (depthwise, pointwise, *bias) = spec.config, spec.weights
    second = _new_layer(graph, f"{spec.name}_pointwise", "Conv2D", kernel_size=1)
    of_second = ("filters", "activation", "use_bias", "trainable", "activity_regularizer")
    second.config |= {key: config[key] for key in of_second if key in config}
    for key in ("regularizer", "constraint"):
        second.config[f"kernel_{key}"] = config.get(f"pointwise_{key}")
        second.config[f"bias_{key}"] = config.get(f"bias_{key}")
    second.weights = [pointwise, *bias]
    of_first = (
        *("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier"),
        *("trainable", "depthwise_regularizer", "depthwise_constraint"),
    )
    spec.kind = "DepthwiseConv2D"
    spec.config = {key: config[key] for key in of_first if key in config} | {"use_bias": False}
    spec.weights = [depthwise]
    return second


def _split_activations(graph: Graph) -> None:
    has_kernel = (*_FOLDED_BY_CONVERTER, *_FOLDED_HERE)
    activations: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind not in has_kernel:
            continue
        name = spec.config.get("activation", "linear")
        if id(spec) not in activations:
            if name in ("linear", "relu"):
                continue
            spec.config["activation"] = "linear"
            activations[id(spec)] = _activation_layer(graph, spec.name, name)
        _append(graph, node, activations[id(spec)], node.output.shape)


def _activation_layer(graph: Graph, owner: str, name: str) -> LayerSpec:
    if name == "relu6":
        return _new_layer(graph, f"{owner}_relu6", "ReLU", max_value=6.0)
    return _new_layer(graph, f"{owner}_{name}", "Activation", activation=name)


def _fold_batch_normalization(graph: Graph) -> None:
    makers = {id(node.output): node for node in graph.nodes}
    for node in list(graph.nodes):
        if node.layer.kind != "BatchNormalization":
            continue
        maker = makers.get(id(node.inputs[0]))
        if maker is None or not _alone_between(graph, maker, node):
            continue
        spec = maker.layer
        if spec.kind not in _FOLDED_HERE:
            continue
        scale, offset = _affine(node)
        kernel, *bias = spec.weights
        axis = [1] * kernel.ndim
        axis[_FOLDED_HERE[spec.kind]] = -1
        spec.weights = [
            kernel * scale.reshape(axis),
            (bias[0] if bias else 0) * scale + offset,
        ]
        spec.config["use_bias"] = True
        _remove(graph, node)


def _alone_between(graph: Graph, maker: Node, node: Node) -> bool:
    """Whether the maker's linear output is read by this node only, and neither is shared."""
    return (
        graph.calls(maker.layer) == graph.calls(node.layer) == 1
        and len(graph.consumers(maker.output)) == 1
        and not any(y is maker.output for y in graph.outputs)
        and maker.layer.config.get("activation", "linear") == "linear"
    )


def _affine_to_depthwise(graph: Graph) -> None:
    makers = {id(node.output): node for node in graph.nodes}
    rewritten: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if id(spec) not in rewritten:
            if spec.kind not in ("BatchNormalization", "Normalization", "Rescaling"):
                continue
            maker = makers.get(id(node.inputs[0]))
            if (
                spec.kind == "BatchNormalization"
                and maker is not None
                and maker.layer.kind in _FOLDED_BY_CONVERTER
                and _alone_between(graph, maker, node)
            ):
                continue
            rewritten[id(spec)] = _depthwise(node)
        _call_on_images(graph, node, rewritten[id(spec)])


def _affine(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """What an affine layer does to each channel, as scale and offset."""
    spec = node.layer
    channels = node.output.shape[-1]
    last = len(node.output.shape) - 1
    if spec.kind == "Rescaling":
        scale, offset = spec.config["scale"], spec.config.get("offset", 0.0)
    elif spec.config["axis"] not in (-1, last, (-1,), (last,), [-1], [last], (), None):
        raise ValueError(
            f"'{spec.name}' ({spec.kind}) normalizes axis {spec.config['axis']}; only the last "
            "axis can be trained quantized. Use Quantize('int8', method='ptq')."
        )
    elif spec.kind == "Normalization":
        deviation = np.maximum(np.sqrt(spec.config["variance"]), keras.config.epsilon())
        scale, offset = 1 / deviation, -np.array(spec.config["mean"]) / deviation
        if spec.config.get("invert"):
            scale, offset = deviation, np.array(spec.config["mean"])
    else:
        weights = list(spec.weights)
        gamma = weights.pop(0) if spec.config["scale"] else 1.0
        beta = weights.pop(0) if spec.config["center"] else 0.0
        mean, variance = weights
        scale = gamma / np.sqrt(variance + spec.config["epsilon"])
        offset = beta - mean * scale
    both = np.broadcast_to(scale, channels), np.broadcast_to(offset, channels)
    return both[0].astype("float32"), both[1].astype("float32")


def _depthwise(node: Node) -> LayerSpec:
    scale, offset = _affine(node)
    weights = [scale.reshape(1, 1, -1, 1), offset]
    config = {"kernel_size": 1, "trainable": node.layer.config.get("trainable", True)}
    return LayerSpec(node.layer.name, "DepthwiseConv2D", config, weights)


def _call_on_images(graph: Graph, node: Node, layer: LayerSpec) -> None:
    """Calls a layer of images in a node's place, with reshapes around it where rank is not 4."""
    shape = node.output.shape
    if len(shape) == 4:
        node.layer, node.args, node.kwargs = layer, (node.inputs[0],), {}
        return
    image = (1, 1, shape[-1]) if len(shape) == 2 else (1, math.prod(shape[1:-1]), shape[-1])
    node.layer = _new_layer(graph, f"{layer.name}_to_image", "Reshape", target_shape=image)
    node.args, node.kwargs = (node.inputs[0],), {}
    affine = _append(graph, node, layer, (shape[0], *image))
    back = _new_layer(graph, f"{layer.name}_back", "Reshape", target_shape=tuple(shape[1:]))
    _append(graph, affine, back, shape)
