"""Folds affine layers into their neighbours, or makes depthwise convolutions of them."""

import math
from collections.abc import Collection

import keras
import numpy as np

from kerasnas.bridge.canonical.graph_edits import (
    alone_between,
    append,
    integers,
    new_layer,
    remove,
    scalars,
)
from kerasnas.bridge.graph import LayerGraph, LayerNode, LayerSpec
from kerasnas.keras_models.traits import of_kind

AFFINE = ("BatchNormalization", "Normalization", "Rescaling")
# The converter folds a BatchNormalization into one of these layers before it.
FOLDED_BY_CONVERTER = ("Conv2D", "DepthwiseConv2D")
# After one of these it must be folded here. The number is the axis of the outputs in the kernel.
FOLDED_HERE = {"Dense": -1, "Conv2DTranspose": -2}


def fold_batch_normalization(graph: LayerGraph) -> None:
    """Folds each BatchNormalization into the Dense or Conv2DTranspose before it."""
    makers = {id(node.output): node for node in graph.nodes}
    for node in list(graph.nodes):
        if node.layer.kind != "BatchNormalization":
            continue
        maker = makers.get(id(node.inputs[0]))
        if maker is None or not alone_between(graph, maker, node):
            continue
        spec = maker.layer
        if spec.kind not in FOLDED_HERE or not _on_channels(node):
            continue
        scale, offset = _affine(node)
        kernel, *bias = spec.weights
        axis = [1] * kernel.ndim
        axis[FOLDED_HERE[spec.kind]] = -1
        spec.weights = [kernel * scale.reshape(axis), (bias[0] if bias else 0) * scale + offset]
        spec.config["use_bias"] = True
        remove(graph, node)


def fold_offsets(graph: LayerGraph) -> None:
    """Adds the offset of a Rescaling to the bias of the layer before it."""
    makers = {id(node.output): node for node in graph.nodes}
    for node in list(graph.nodes):
        scale, offset = scalars(node)
        if scale != 1 or not offset:
            continue
        maker = makers.get(id(node.inputs[0]))
        if maker is None or not alone_between(graph, maker, node):
            continue
        spec = maker.layer
        if spec.kind in (*FOLDED_BY_CONVERTER, *FOLDED_HERE):
            kernel, *bias = spec.weights
            zeros = np.zeros(maker.output.shape[-1], "float32")
            spec.weights = [kernel, (bias[0] if bias else zeros) + np.float32(offset)]
            spec.config["use_bias"] = True
        elif spec.kind == "BatchNormalization" and spec.config["center"] and _on_channels(maker):
            place = int(spec.config["scale"])
            spec.weights = list(spec.weights)
            spec.weights[place] = spec.weights[place] + np.float32(offset)
        else:
            continue
        makers[id(node.output)] = maker
        remove(graph, node)


def fold_scales(graph: LayerGraph) -> None:
    """Moves the scale of a Rescaling into a BatchNormalization behind the next convolution.

    What is scaled before a convolution is scaled after it, where BatchNormalization takes it out
    again: so with the sixth of a hard_sigmoid in squeeze-and-excitation, and with an Average.
    """
    for node in list(graph.nodes):
        scale, offset = scalars(node)
        if scale <= 0 or scale == 1 or offset or id(node.inputs[0]) in integers(graph):
            continue
        path = _to_normalization(graph, node)
        if path is None:
            continue
        convolution, normalization = path
        *learnt, mean, variance = normalization.layer.weights
        epsilon = normalization.layer.config["epsilon"]
        variance = (variance + epsilon) / scale**2 - epsilon
        if np.any(variance < 0):
            continue
        kernel, *bias = convolution.layer.weights
        convolution.layer.weights = [kernel, *(np.float32(1 / scale) * one for one in bias)]
        normalization.layer.weights = [
            *learnt,
            (mean / scale).astype("float32"),
            variance.astype("float32"),
        ]
        remove(graph, node)


def _to_normalization(graph: LayerGraph, node: LayerNode) -> tuple[LayerNode, LayerNode] | None:
    """Returns the next convolution that a scale reaches unchanged, and its BatchNormalization."""
    reader = _only_reader(graph, node)
    while reader is not None and _hands_scale_on(reader.layer):
        reader = _only_reader(graph, reader)
    if reader is None or reader.layer.kind not in FOLDED_BY_CONVERTER:
        return None
    after = _only_reader(graph, reader)
    if after is None or after.layer.kind != "BatchNormalization" or not _on_channels(after):
        return None
    return (reader, after) if alone_between(graph, reader, after) else None


def _only_reader(graph: LayerGraph, node: LayerNode) -> LayerNode | None:
    """Returns the only node that reads an output, if neither layer is called elsewhere."""
    readers = graph.consumers(node.output)
    if len(readers) != 1 or any(y is node.output for y in graph.outputs):
        return None
    alone = graph.calls(node.layer) == graph.calls(readers[0].layer) == 1
    once = sum(x is node.output for x in readers[0].inputs) == 1
    return readers[0] if alone and once else None


def _hands_scale_on(spec: LayerSpec) -> bool:
    """Returns whether a factor above 0 on one of its inputs becomes that of its output."""
    if spec.kind == "Activation":
        return bool(spec.config["activation"] == "relu")
    if spec.kind == "ReLU":
        return spec.config.get("max_value") is None and not spec.config.get("threshold")
    return of_kind(spec.kind).keeps_factor


def affine_to_depthwise(graph: LayerGraph, kinds: Collection[str] = AFFINE) -> None:
    """Makes a 1x1 DepthwiseConv2D of each affine layer of some kinds that nothing else folds."""
    makers = {id(node.output): node for node in graph.nodes}
    whole = integers(graph)
    # A convolution takes no integers. A shared layer that reads integers anywhere stays as it is.
    kept = {id(node.layer) for node in graph.nodes if any(id(x) in whole for x in node.inputs)}
    rewritten: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if id(spec) not in rewritten:
            if spec.kind not in kinds or id(spec) in kept or not _on_channels(node):
                continue
            maker = makers.get(id(node.inputs[0]))
            if (
                spec.kind == "BatchNormalization"
                and maker is not None
                and maker.layer.kind in FOLDED_BY_CONVERTER
                and alone_between(graph, maker, node)
            ):
                continue
            rewritten[id(spec)] = _depthwise(node)
        _call_on_images(graph, node, rewritten[id(spec)])


def _on_channels(node: LayerNode) -> bool:
    """Returns whether a layer has a scale and an offset for each channel, or one for all."""
    last = len(node.output.shape) - 1
    axes = (-1, last, (-1,), (last,), [-1], [last], (), None)
    if not node.output.shape[1:]:
        return False
    return node.layer.kind == "Rescaling" or node.layer.config["axis"] in axes


def _affine(node: LayerNode) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scale and the offset that an affine layer applies to each channel."""
    spec = node.layer
    channels = node.output.shape[-1]
    if spec.kind == "Rescaling":
        scale, offset = spec.config["scale"], spec.config.get("offset", 0.0)
    elif spec.kind == "Normalization":
        smallest = keras.config.epsilon()
        deviation = np.maximum(np.sqrt(spec.config["variance"]), smallest)
        still = np.flatnonzero(deviation <= smallest)
        if len(still) and not spec.config.get("invert"):
            raise ValueError(
                f"Layer '{spec.name}' of class Normalization divides by {smallest:g} where a "
                "feature never changes, which no 8 bits can hold. Leave the feature out, or give "
                f"it a variance of 1. Received: no variance in {still.tolist()}"
            )
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


def _depthwise(node: LayerNode) -> LayerSpec:
    scale, offset = _affine(node)
    weights = [scale.reshape(1, 1, -1, 1), offset]
    # One step of Adam would change a weight by as much as the factor 1/255 of a Rescaling.
    learns = node.layer.kind == "BatchNormalization" and node.layer.config.get("trainable", True)
    config = {"kernel_size": 1, "trainable": learns}
    return LayerSpec(node.layer.name, "DepthwiseConv2D", config, weights)


def _call_on_images(graph: LayerGraph, node: LayerNode, layer: LayerSpec) -> None:
    """Calls a layer of images in a node's place, with reshapes around it where rank is not 4."""
    shape = node.output.shape
    if len(shape) == 4:
        node.layer, node.args, node.kwargs = layer, (node.inputs[0],), {}
        return
    image = (1, 1, shape[-1]) if len(shape) == 2 else (1, math.prod(shape[1:-1]), shape[-1])
    node.layer = new_layer(graph, f"{layer.name}_to_image", "Reshape", target_shape=image)
    node.args, node.kwargs = (node.inputs[0],), {}
    affine = append(graph, node, layer, (shape[0], *image))
    back = new_layer(graph, f"{layer.name}_back", "Reshape", target_shape=tuple(shape[1:]))
    append(graph, affine, back, shape)
