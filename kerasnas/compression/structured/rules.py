"""How channels pass through each kind of layer. What has no rule here keeps all its channels."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from kerasnas.compression.structured.channels import Channels, Labels
from kerasnas.keras_models.activations import ACTIVATIONS, by_operation
from kerasnas.keras_models.traits import names, traits_of
from kerasnas.keras_models.walk import Call


@dataclass(frozen=True)
class Axes:
    """What the axes of a weight stand for.

    Args:
        labels: For each axis the channels along it, or None.
        filters: Position of the axis along which the weight splits into filters, one a channel.
    """

    labels: tuple[Labels | None, ...]
    filters: int


@dataclass(frozen=True)
class Passage:
    """How one call of a layer treats channels.

    Args:
        output: Channels of its output.
        weights: Axes of each weight, by attribute of the layer. A rule may name weights that the
            layer does not have, such as a bias; `passage` leaves them out.
        positions: How often each kernel is multiplied for one sample.
        resized: Function from the number of output channels left to the changed config entries.
    """

    output: Labels
    weights: dict[str, Axes] = field(default_factory=dict)
    positions: int = 0
    resized: Callable[[int], dict[str, Any]] = lambda number: {}


# None: the layer cannot do with fewer channels, or it is not known how.
Rule = Callable[[Call, list[Labels], Channels], Passage | None]
RULES: dict[str, Rule] = {}

# Operations of `keras.ops` that are an activation of each value by itself.
_POINTWISE = tuple(
    operation for operation, _, row in by_operation(ACTIVATIONS) if not row.mixes_channels
)


def passage(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    """Returns how a call treats channels.

    Args:
        call: A call of a layer or `keras.ops` operation.
        inputs: Channels of each tensor that it reads.
        channels: Where sets of channels are joined.

    Returns:
        `Passage`, or None where all channels that go in and come out must stay.
    """
    operation: Any = call.operation
    own = type(operation).__module__.startswith("keras.")
    rule = RULES.get(type(operation).__name__) if own else None
    if rule is None and traits_of(operation).channels_alone:
        rule = _each_channel_alone
    if rule is None or getattr(operation, "data_format", "") == "channels_first":
        return None
    given = keras.tree.flatten((call.args, call.kwargs))
    constants = [x for x in given if not isinstance(x, keras.KerasTensor)]
    if len(call.outputs) != 1 or not inputs or any(np.ndim(x) for x in constants):
        return None
    found = rule(call, inputs, channels)
    if found is None or call.outputs[0].shape[-1:] != (len(found.output),):
        return None
    made = {name: getattr(operation, name, None) for name in found.weights}
    present = {name: weight for name, weight in made.items() if weight is not None}
    # A layer with further weights, such as low-rank ones added to a Dense, keeps its channels.
    declared = {id(weight) for weight in present.values()}
    if declared != {id(weight) for weight in getattr(operation, "weights", ())}:
        return None
    return replace(found, weights={name: found.weights[name] for name in present})


def _rule(*kinds: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def _pointwise(activation: Any) -> bool:
    name = getattr(activation, "__name__", None)
    own = str(getattr(activation, "__module__", "")).startswith("keras.")
    return own and name in ACTIVATIONS and not ACTIVATIONS[name].mixes_channels


def _activated(layer: Any, output: Labels, channels: Channels) -> Labels:
    if not _pointwise(layer.activation):
        name = getattr(layer.activation, "__name__", layer.activation)
        channels.stay(output, f"its activation {name} needs all channels")
    return output


def _vector(labels: Labels) -> Axes:
    return Axes((labels,), 0)


def _size(shape: tuple[int | None, ...]) -> int:
    """Returns the product of all sizes but batch and channels; 0 where one is unknown."""
    return math.prod(size or 0 for size in shape[1:-1])


@_rule("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _convolution(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    layer: Any = call.operation
    if getattr(layer, "groups", 1) != 1:
        return None
    output = _activated(layer, channels.made_by(layer, layer.filters), channels)
    transposed = type(layer).__name__.endswith("Transpose")
    ends = (output, inputs[0]) if transposed else (inputs[0], output)
    window = (None,) * len(layer.kernel_size)
    kernel = Axes((*window, *ends), -2 if transposed else -1)
    weights = {"kernel": kernel, "bias": _vector(output)}
    multiplied = call.inputs[0] if transposed else call.outputs[0]
    return Passage(output, weights, _size(multiplied.shape), lambda n: {"filters": n})


@_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    layer: Any = call.operation
    output = _activated(layer, np.repeat(inputs[0], layer.depth_multiplier), channels)
    kernel = Axes((*(None,) * len(layer.kernel_size), inputs[0], None), -2)
    weights = {"kernel": kernel, "bias": _vector(output)}
    return Passage(output, weights, _size(call.outputs[0].shape))


@_rule("SeparableConv1D", "SeparableConv2D")
def _separable(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    layer: Any = call.operation
    output = _activated(layer, channels.made_by(layer, layer.filters), channels)
    window = (None,) * len(layer.kernel_size)
    between = np.repeat(inputs[0], layer.depth_multiplier)
    weights = {
        "depthwise_kernel": Axes((*window, inputs[0], None), -2),
        "pointwise_kernel": Axes((*window, between, output), -1),
        "bias": _vector(output),
    }
    return Passage(output, weights, _size(call.outputs[0].shape), lambda n: {"filters": n})


@_rule("Dense")
def _dense(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    layer: Any = call.operation
    output = _activated(layer, channels.made_by(layer, layer.units), channels)
    weights = {"kernel": Axes((inputs[0], output), -1), "bias": _vector(output)}
    return Passage(output, weights, _size(call.outputs[0].shape), lambda n: {"units": n})


@_rule("Embedding")
def _embedding(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    layer: Any = call.operation
    output = channels.made_by(layer, layer.output_dim)
    weights = {"embeddings": Axes((None, output), -1)}
    return Passage(output, weights, 0, lambda n: {"output_dim": n})


@_rule("BatchNormalization")
def _batch_normalization(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    layer: Any = call.operation
    if layer.axis not in (-1, len(call.inputs[0].shape) - 1):
        return None
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return Passage(inputs[0], {name: _vector(inputs[0]) for name in names})


@_rule("PReLU")
def _prelu(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    shape = call.operation.alpha.shape
    last = inputs[0] if shape[-1] == len(inputs[0]) else None
    return Passage(inputs[0], {"alpha": Axes((*(None,) * (len(shape) - 1), last), -1)})


@_rule("Activation")
def _activation(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    return Passage(inputs[0]) if _pointwise(call.operation.activation) else None


@_rule("Rescaling")
def _rescaling(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    numbers = (call.operation.scale, call.operation.offset)
    return None if any(np.ndim(number) for number in numbers) else Passage(inputs[0])


@_rule(*_POINTWISE)
def _each_channel_alone(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    return Passage(inputs[0])


@_rule(*names(lambda traits: traits.merges))
def _merge(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    ranks = {len(tensor.shape) for tensor in call.inputs}
    # For tensors of different rank, layers align the first axes, and operations the last ones.
    if len(ranks) > 1 and hasattr(call.operation, "weights"):
        return None
    width = max(len(labels) for labels in inputs)
    for labels in inputs:
        if len(labels) < width:
            channels.stay(labels, f"'{call.operation.name}' spreads it over {width} channels")
    return Passage(channels.join(labels for labels in inputs if len(labels) == width))


@_rule("Concatenate")
def _concatenate(call: Call, inputs: list[Labels], channels: Channels) -> Passage:
    rank = len(call.outputs[0].shape)
    if call.operation.axis % rank == rank - 1:
        return Passage(np.concatenate(inputs))
    return Passage(channels.join(inputs))


@_rule("Permute", "Transpose")
def _permute(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    operation: Any = call.operation
    layer_dims = getattr(operation, "dims", None)
    order = operation.axes if layer_dims is None else (0, *layer_dims)
    last = len(call.inputs[0].shape) - 1
    stay_put = order is not None and order[0] == 0 and order[-1] == last
    return Passage(inputs[0]) if stay_put else None


@_rule("Max", "Mean")
def _reduction(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    axis, rank = call.operation.axis, len(call.inputs[0].shape)
    axes = {a % rank for a in ([axis] if isinstance(axis, int) else axis or range(rank))}
    return None if axes & {0, rank - 1} else Passage(inputs[0])


@_rule("ExpandDims", "Flatten", "Reshape", "Squeeze")
def _reshape(call: Call, inputs: list[Labels], channels: Channels) -> Passage | None:
    operation: Any = call.operation
    source, target = call.inputs[0].shape[1:], call.outputs[0].shape[1:]
    if None in (*source, *target) or math.prod(source) != math.prod(target):
        return None
    places = np.broadcast_to(inputs[0], source).reshape(-1, target[-1])
    if (places != places[0]).any():
        return None
    output = places[0]
    setting = next((name for name in ("target_shape", "newshape") if hasattr(operation, name)), "")
    *others, last = getattr(operation, setting, (-1,))
    if last == -1:  # the number of channels follows from the rest
        return Passage(output)
    # All calls of a shared layer must keep the same number of channels.
    channels.join([channels.made_by(operation, last), output])
    return Passage(output, resized=lambda n: {setting: (*others, n)})
