"""Splits separable convolutions into the two convolutions that they consist of."""

from kerasnas.bridge.canonical.graph_edits import append, new_layer
from kerasnas.bridge.graph import LayerGraph, LayerSpec


def split_separable(graph: LayerGraph) -> None:
    """Replaces each SeparableConv2D by its two convolutions."""
    # TFMOT would split it too, but would give the halves names that other layers may have.
    second_halves: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind == "SeparableConv2D":
            second_halves[id(spec)] = _separate(graph, spec)
        if id(spec) in second_halves:
            channels = spec.weights[0].shape[-2] * spec.weights[0].shape[-1]
            append(graph, node, second_halves[id(spec)], (*node.output.shape[:-1], channels))


def _separate(graph: LayerGraph, spec: LayerSpec) -> LayerSpec:
    """Leaves the depthwise half in place of a separable convolution. Returns the other half."""
    config, (depthwise, pointwise, *bias) = spec.config, spec.weights
    second = new_layer(graph, f"{spec.name}_pointwise", "Conv2D", kernel_size=1)
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
