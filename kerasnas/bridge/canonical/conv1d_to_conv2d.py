"""Rewrites layers of lines as layers of images of height one."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.canonical.graph_edits import new_layer
from kerasnas.bridge.graph import LayerGraph, LayerNode, LayerSpec
from kerasnas.keras_models.traits import of_kind
from kerasnas.keras_models.walk import carries_mask

# TensorFlow's depthwise convolutions take equal strides only. Over a height of one the stride along
# the height has no effect.
_EQUAL_STRIDES = ("DepthwiseConv1D", "SeparableConv1D")


def lines_to_images(graph: LayerGraph) -> None:
    """Rewrites every layer of lines, if there is a convolution or pooling of lines.

    Args:
        graph: Its layers are changed in place.
    """
    if not any(of_kind(node.layer.kind).lines == "image" for node in graph.nodes):
        return
    causal = {
        id(node.layer): _causal_padding(graph, node.layer)
        for node in graph.nodes
        if node.layer.config.get("padding") == "causal"
    }
    moved = [node for node in graph.nodes if _is_moved(graph, node)]
    for spec in {id(node.layer): node.layer for node in moved}.values():
        _to_image(spec)
    images: dict[int, keras.KerasTensor] = {}
    for node in moved:
        index = graph.nodes.index(node)
        for number, tensor in enumerate(node.inputs):
            if id(tensor) not in images:
                images[id(tensor)] = keras.KerasTensor(_image(tensor.shape))
                graph.nodes.insert(index, _reshape(graph, node, tensor, images[id(tensor)]))
                index += 1
            node.inputs[number] = images[id(tensor)]
        node.args = (list(node.inputs) if isinstance(node.args[0], list) else node.inputs[0],)
        if id(node.layer) in causal:
            padding = causal[id(node.layer)]
            padded = keras.KerasTensor(_padded(node.inputs[0].shape, padding))
            graph.nodes.insert(index, LayerNode(padding, node.inputs, padded, node.args))
            node.inputs, node.args = [padded], (padded,)
            index += 1
        line = node.output
        if len(line.shape) == 3:
            images[id(line)] = node.output = keras.KerasTensor(_image(line.shape))
            graph.nodes.insert(index + 1, _reshape(graph, node, node.output, line))
    outputs = {id(tensor) for tensor in graph.outputs}
    for node in list(graph.nodes):
        back = node.layer.kind == "Reshape" and id(node.output) not in outputs
        if back and not graph.consumers(node.output):
            graph.nodes.remove(node)


def up_sampling_to_images(graph: LayerGraph) -> None:
    """Rewrites every UpSampling1D, of which the converter would make a tensor for each step.

    TensorFlow Lite Micro refuses files with so many outputs of one operator.

    Args:
        graph: Its layers are changed in place.
    """
    lines = [node for node in graph.nodes if node.layer.kind == "UpSampling1D"]
    for spec in {id(node.layer): node.layer for node in lines}.values():
        _to_image(spec)
    for node in lines:
        source, line = node.inputs[0], node.output
        image, node.output = (keras.KerasTensor(_image(x.shape)) for x in (source, line))
        node.inputs, node.args = [image], (image,)
        index = graph.nodes.index(node)
        graph.nodes.insert(index, _reshape(graph, node, source, image))
        graph.nodes.insert(index + 2, _reshape(graph, node, node.output, line))


def _is_moved(graph: LayerGraph, node: LayerNode) -> bool:
    averages_masked = node.layer.kind == "GlobalAveragePooling1D" and carries_mask(node.inputs[0])
    if averages_masked or carries_mask(node.output):
        return False  # a Reshape does not pass a mask on
    lines = of_kind(node.layer.kind).lines
    if lines == "image":
        return True
    once = graph.calls(node.layer) == 1
    # Otherwise each layer of any rank would stand between two reshapes of the layers of lines.
    return (
        lines == "any"
        and once
        and all(len(tensor.shape) == 3 for tensor in [*node.inputs, node.output])
    )


def _image(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    return (shape[0], 1, *shape[1:])


def _reshape(
    graph: LayerGraph, beside: LayerNode, source: keras.KerasTensor, target: keras.KerasTensor
) -> LayerNode:
    name = f"{beside.layer.name}_{'to_image' if len(target.shape) == 4 else 'back'}"
    sizes = tuple(-1 if size is None else size for size in target.shape[1:])
    layer = new_layer(graph, name, "Reshape", target_shape=sizes)
    return LayerNode(layer, [source], target, (source,))


def _causal_padding(graph: LayerGraph, spec: LayerSpec) -> LayerSpec:
    """Turns the padding of a causal convolution into a layer of its own."""
    config = spec.config
    before = (_one(config["kernel_size"]) - 1) * _one(config.get("dilation_rate", 1))
    config["padding"] = "valid"
    padding = ((0, 0), (before, 0))
    return new_layer(graph, f"{spec.name}_causal", "ZeroPadding2D", padding=padding)


def _padded(shape: tuple[int | None, ...], padding: LayerSpec) -> tuple[int | None, ...]:
    length = shape[2]
    before = padding.config["padding"][1][0]
    return (*shape[:2], None if length is None else length + before, shape[3])


def _to_image(spec: LayerSpec) -> None:
    """Gives a layer of lines the kind, config and weights of the corresponding layer of images."""
    kind, config = spec.kind, spec.config
    traits = of_kind(kind)
    for key, widen in _WIDENED.items():
        if key in config and config[key] is not None and traits.lines == "image":
            config[key] = widen(config[key])
    if kind in _EQUAL_STRIDES:
        config["strides"] = (config["strides"][1],) * 2
    if traits.lines == "image":
        spec.weights = [
            np.expand_dims(weight, 0) if number < traits.kernels else weight
            for number, weight in enumerate(spec.weights)
        ]
    axis = config.get("axis")
    if kind in ("BatchNormalization", "Concatenate") and isinstance(axis, int) and axis > 0:
        config["axis"] = axis + 1
    if traits.lines == "image":
        spec.kind = f"{kind[: kind.index('1D')]}2D{kind[kind.index('1D') + 2 :]}"


def _one(value: Any) -> int:
    return int(np.ravel(value)[0])


def _along_line(value: Any) -> tuple[int, int]:
    return (1, _one(value))


def _around_line(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return ((0, 0), tuple(np.broadcast_to(value, 2).tolist()))


# How the options of a layer of lines are written for images.
_WIDENED: dict[str, Callable[[Any], Any]] = {
    "cropping": _around_line,
    "dilation_rate": _along_line,
    "kernel_size": _along_line,
    "output_padding": lambda value: (0, _one(value)),
    "padding": _around_line,
    "pool_size": _along_line,
    "size": _along_line,
    "strides": _along_line,
}
