"""Starts a network from the weights of another one that has much in common with it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas.keras_models.layers import every_layer
from kerasnas.keras_models.walk import Call, walk

_CONVOLUTIONS = tuple(
    getattr(keras.layers, f"{kind}{rank}D")
    for rank in (1, 2, 3)
    for kind in ("Conv", "DepthwiseConv", "SeparableConv")
    if hasattr(keras.layers, f"{kind}{rank}D")
)
# Their kernels hold the channels that come in on the axis before the last.
_MIXING = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


class LayerWeights(NamedTuple):
    """The weights of a layer.

    Args:
        kind: Name of the layer's class.
        arrays: Its weights, in the order of `layer.weights`.
    """

    kind: str
    arrays: list[np.ndarray]


def weights_of(model: keras.Model) -> dict[str, LayerWeights]:
    """Returns the weights of a network by the names of its layers.

    Args:
        model: A built model.
    """
    return {
        layer.name: LayerWeights(type(layer).__name__, [np.array(one) for one in layer.weights])
        for layer in every_layer(model)
        if layer.weights
    }


def inherit(model: keras.Model, parent: Mapping[str, LayerWeights]) -> int:
    """Gives a network the weights of another one, as far as they have layers in common.

    Layers belong together that have the same name and class; a hypermodel of kerasnas names the
    same place alike in all of its networks. Where shapes differ, what overlaps is taken over:
    kernels are aligned at their centers, channels at the first. What a kernel has more, in size
    or in channels that come in, is zero, so that a network which is wider, or has larger kernels,
    begins with the function of its parent. A new layer begins as the identity where it can:
    a branch that is added to what goes past it begins with zero, and a convolution that
    keeps the number of channels passes them on. Everything else keeps the values it has.

    Args:
        model: A built model; its weights are changed.
        parent: What `weights_of` returned for the other one.

    Returns:
        How many layers have taken weights over.

    Source:
        Net2Net: Chen et al. 2016, arXiv:1511.05641. Wider here means new channels of which nothing
        is read yet, in the place of copies whose weights are shared out.

    Example:

    >>> def network(width):
    ...     hidden = keras.layers.Dense(width, name="hidden")
    ...     return keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1, name="last")])
    >>> inherit(network(5), weights_of(network(3)))
    2
    """
    layers = [layer for layer in every_layer(model) if layer.weights]
    found = 0
    new = []
    for layer in layers:
        known = parent.get(layer.name)
        if known is None or known.kind != type(layer).__name__:
            new.append(layer)
            continue
        if len(known.arrays) != len(layer.weights):
            continue
        for variable, array in zip(layer.weights, known.arrays, strict=True):
            if len(variable.shape) == array.ndim and array.dtype.kind == "f":
                variable.assign(_overlapped(layer, variable, array))
        found += 1
    if found:
        silent = {id(layer) for layer in _ends_of_new_branches(model, new)}
        for layer in new:
            if id(layer) in silent:
                _begin_with_zero(layer)
            else:
                _begin_as_identity(layer)
    return found


def _overlapped(layer: Any, variable: Any, inherited: np.ndarray) -> np.ndarray:
    """Returns fresh weights with those of the parent in the place of what both have."""
    fresh = np.array(variable)
    spatial = fresh.ndim - 2 if isinstance(layer, _CONVOLUTIONS) and fresh.ndim > 2 else 0
    mixing = isinstance(layer, _MIXING) or variable.name == "pointwise_kernel"
    here, there = [], []
    for axis, (size, known) in enumerate(zip(fresh.shape, inherited.shape, strict=True)):
        # How far the first element of the parent's kernel is from that of the child's.
        offset = _center(size) - _center(known) if axis < spatial else 0
        first, last = max(offset, 0), min(size, known + offset)
        here.append(slice(first, last))
        there.append(slice(first - offset, last - offset))
    joined = fresh.copy()
    for axis in range(fresh.ndim):
        if axis < spatial or (mixing and axis == fresh.ndim - 2):
            # A new channel that goes out has none of the parent's function to preserve.
            more = [slice(None)] * (fresh.ndim - 1) + [here[-1]]
            for part in (slice(0, here[axis].start), slice(here[axis].stop, None)):
                more[axis] = part
                joined[tuple(more)] = 0.0
    joined[tuple(here)] = inherited[tuple(there)]
    return joined


def _center(size: int) -> int:
    """Returns which element of a kernel meets the place that it computes, with same padding."""
    return (size - 1) // 2


def _ends_of_new_branches(model: keras.Model, new: Sequence[Any]) -> list[Any]:
    """Returns the last layers with weights of new branches that are added to what is there."""
    try:
        calls = walk(model)
    except ValueError:
        return []  # A subclassed model has no graph.
    makers = {id(tensor): call for call in calls for tensor in call.outputs}
    fresh = {id(layer) for layer in new}
    found = []
    for call in calls:
        if isinstance(call.operation, keras.layers.Add) and len(call.inputs) == 2:
            ends = [_last_with_weights(tensor, makers) for tensor in call.inputs]
            branches = [end for end in ends if id(end) in fresh]
            if len(branches) == 1:
                found += branches
    return found


def _last_with_weights(tensor: Any, makers: Mapping[int, Call]) -> Any:
    """Returns the layer with weights that a tensor comes from, through layers without; or None."""
    call = makers.get(id(tensor))
    while call is not None and not getattr(call.operation, "weights", None):
        call = makers.get(id(call.inputs[0])) if len(call.inputs) == 1 else None
    return None if call is None else call.operation


def _begin_with_zero(layer: Any) -> None:
    for name in ("gamma", "beta", "kernel", "pointwise_kernel", "bias"):
        variable = getattr(layer, name, None)
        if variable is not None:
            variable.assign(np.zeros(variable.shape))


def _begin_as_identity(layer: Any) -> None:
    if not isinstance(layer, _CONVOLUTIONS) or {*layer.strides} != {1} or layer.padding != "same":
        return
    depthwise = type(layer).__name__.startswith("Depthwise") and layer.depth_multiplier == 1
    plain = isinstance(layer, _MIXING) and layer.groups == 1
    if not (depthwise or plain):
        return
    *sizes, given, filters = layer.kernel.shape
    if plain and given != filters:
        return
    kernel = np.zeros(layer.kernel.shape)
    kernel[tuple(_center(size) for size in sizes)] = np.eye(filters) if plain else 1.0
    layer.kernel.assign(kernel)
    if layer.bias is not None:
        layer.bias.assign(np.zeros(layer.bias.shape))
