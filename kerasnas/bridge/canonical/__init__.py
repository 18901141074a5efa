"""Rewrites the layers of a network for quantization, without changing its outputs.

TensorFlow Model Optimization quantizes the layers it knows in the arrangements it knows, and
refuses or leaves in float the rest. Each rewrite here turns one such case into a known one.
"""

from kerasnas.bridge.canonical.activations import (
    fuse_hard_silu,
    hard_sigmoid_to_relu6,
    leaky,
    split_activations,
)
from kerasnas.bridge.canonical.affine import (
    affine_to_depthwise,
    fold_batch_normalization,
    fold_offsets,
    fold_scales,
)
from kerasnas.bridge.canonical.conv1d_to_conv2d import lines_to_images
from kerasnas.bridge.canonical.entries import entries
from kerasnas.bridge.canonical.merges import average_to_add, detach_inputs, split_merges
from kerasnas.bridge.canonical.separable import split_separable
from kerasnas.bridge.graph import LayerGraph

__all__ = ["canonical", "measurable", "without_penalties"]

# These layers do nothing outside training, and quantization-aware training cannot wrap them.
_DROPPED = ("GaussianDropout", "Identity")


def canonical(graph: LayerGraph) -> LayerGraph:
    """Brings a graph into the form that quantization-aware training can quantize completely.

    Identity and GaussianDropout go; pixels of integers that are rescaled come as floats, and
    indices of an Embedding as integers; a convolution, pooling or padding of lines becomes that of
    images of height one, and what is between them with it; a ReLU with a slope becomes a LeakyReLU;
    a SeparableConv2D becomes its two convolutions; an Average becomes a scaled Add, and a merge of
    many a chain of merges of two; an activation inside a layer becomes a layer of its own (except
    linear and relu), `x * relu6(x + 3) / 6` the activation hard_silu, and hard_sigmoid a ReLU6
    between two Rescalings; a BatchNormalization after Dense or Conv2DTranspose is folded into it,
    and what a Rescaling adds into the layer before it; what it multiplies by goes into a
    BatchNormalization behind it; a BatchNormalization that follows nothing it could be folded into,
    Rescaling and Normalization become a 1x1 DepthwiseConv2D with bias.

    Args:
        graph: The graph as read from a model. Its layers are changed in place.

    Returns:
        The same graph.
    """
    graph.remove_idle(lambda node: node.layer.kind in _DROPPED)
    entries(graph)
    lines_to_images(graph)
    leaky(graph)
    average_to_add(graph)
    split_merges(graph)
    split_separable(graph)
    split_activations(graph)
    fuse_hard_silu(graph)
    hard_sigmoid_to_relu6(graph)
    fold_batch_normalization(graph)
    fold_offsets(graph)
    fold_scales(graph)
    detach_inputs(graph)
    affine_to_depthwise(graph)
    return graph


def measurable(graph: LayerGraph) -> LayerGraph:
    """Brings a graph into the form whose ranges the converter measures well.

    Pixels of integers that are rescaled come as floats, and indices of an Embedding as integers.
    Normalization becomes a 1x1 DepthwiseConv2D. As a subtraction and a multiplication it would have
    one scale for the factors of all channels, and the difference would get the range of the
    product, which the converter's interpreter writes in its place: small inputs would become zero.

    Args:
        graph: The graph as read from a model. Its layers are changed in place.

    Returns:
        The same graph.
    """
    entries(graph)
    affine_to_depthwise(graph, ("Normalization",))
    return graph


def without_penalties(graph: LayerGraph) -> LayerGraph:
    """Removes penalties on activations, whose tensors TFMOT's wrappers of layers lose.

    Args:
        graph: The graph as read from a model. Its layers are changed in place.

    Returns:
        The same graph.
    """
    graph.remove_idle(lambda node: node.layer.kind == "ActivityRegularization")
    for node in graph.nodes:
        node.layer.config.pop("activity_regularizer", None)
    return graph
