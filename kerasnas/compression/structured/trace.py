"""A Keras 3 model with its channels: which belong together, and where they are in the weights."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnas.compression.structured.channels import Channels, Labels
from kerasnas.compression.structured.rules import Axes, Passage, passage
from kerasnas.keras_models.walk import Call, walk


@dataclass(eq=False)
class Weight:
    """A weight with channels along its axes.

    Args:
        layer: The layer that has it.
        attribute: Its name there.
        values: Its values.
        axes: What its axes stand for.
        positions: How often it is multiplied for one sample, in all calls of the layer.
    """

    layer: keras.layers.Layer
    attribute: str
    values: np.ndarray
    axes: Axes
    positions: int

    @property
    def makes_channels(self) -> bool:
        """Whether its filters are what channels are made with."""
        return self.attribute.endswith(("kernel", "embeddings"))

    @property
    def filter_labels(self) -> Labels:
        """The channel of each of its filters."""
        labels = self.axes.labels[self.axes.filters]
        assert labels is not None
        return labels


@dataclass(eq=False)
class Trace:
    """What is known of a model's channels. Labels are those that stand for their sets.

    Args:
        model: The model.
        calls: Its calls in order, nested models inlined.
        weights: Weights with channels, by the id of their variable.
        passages: What each operation does, by its id; not of those without a rule.
        removable: Labels of the sets that may go.
        labels: Number of labels.
    """

    model: keras.Model
    calls: list[Call]
    weights: dict[int, Weight]
    passages: dict[int, Passage]
    removable: Labels
    labels: int


def trace(model: keras.Model) -> Trace:
    """Finds the sets of channels of a model that must be removed together.

    Args:
        model: Built Sequential or Functional Keras 3 model.

    Returns:
        `Trace`.

    Raises:
        ValueError: If the model has no graph or has weights that are not finite, or if none of
            its channels may go.
    """
    calls = walk(model)
    _check_finite(model)
    channels = Channels()
    labels: dict[int, Labels] = {}
    weights: dict[int, Weight] = {}
    passages: dict[int, Passage] = {}
    unknown: set[int] = set()
    for call in calls:
        operation: Any = call.operation
        inputs = [labels[id(tensor)] for tensor in call.inputs]
        found = passage(call, inputs, channels)
        if found is None:
            unknown.add(id(operation))
            kind = type(operation).__name__
            for read in inputs:
                channels.stay(read, f"'{operation.name}' ({kind}) needs all that it reads")
            for tensor in call.outputs:
                # One label for each channel, and none if the number of channels is not known.
                made = channels.new((tensor.shape[-1] or 0) if len(tensor.shape) > 1 else 0)
                channels.stay(made, f"'{operation.name}' ({kind}) makes it")
                labels[id(tensor)] = made
            continue
        labels[id(call.outputs[0])] = found.output
        passages.setdefault(id(operation), found)
        for attribute, axes in found.weights.items():
            _record(operation, attribute, axes, found.positions, weights, channels)
    in_other_ways = "a call of it is among those that need all channels"
    for key in unknown & passages.keys():
        channels.stay(passages[key].output, in_other_ways)
    for weight in weights.values():
        if id(weight.layer) in unknown:
            for axis_labels in weight.axes.labels:
                if axis_labels is not None:
                    channels.stay(axis_labels, in_other_ways)
    for tensor in model.outputs:
        channels.stay(labels[id(tensor)], "it is an output of the model")
    _check_removable(model, channels, weights)
    # All sets are joined now: each label is replaced by that of its set.
    roots = channels.roots()
    for weight in weights.values():
        axes = weight.axes
        settled = tuple(None if labels is None else roots[labels] for labels in axes.labels)
        weight.axes = Axes(settled, axes.filters)
    for key, found in passages.items():
        passages[key] = dataclasses.replace(found, output=roots[found.output])
    return Trace(model, calls, weights, passages, channels.removable(), len(roots))


def _record(
    layer: Any,
    attribute: str,
    axes: Axes,
    positions: int,
    weights: dict[int, Weight],
    channels: Channels,
) -> None:
    variable = getattr(layer, attribute)
    known = weights.get(id(variable))
    if known is None:
        values = keras.ops.convert_to_numpy(variable)
        weights[id(variable)] = Weight(layer, attribute, values, axes, positions)
        return
    # A shared layer must read the same channels at all of its places.
    known.positions += positions
    for before, now in zip(known.axes.labels, axes.labels, strict=True):
        if before is not None and now is not None:
            channels.join([before, now])


def _check_finite(model: keras.Model) -> None:
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise ValueError(
                f"`model` '{model.name}' must have finite weights. Received: NaN or infinity in "
                f"'{weight.path}'"
            )


def _check_removable(model: keras.Model, channels: Channels, weights: dict[int, Weight]) -> None:
    makers = [weight for weight in weights.values() if weight.makes_channels]
    reasons = {}
    for weight in makers:
        reason = channels.reason(weight.filter_labels)
        if reason is None:
            return
        reasons[weight.layer.name] = reason
    lines = [f"  '{name}': {reason}" for name, reason in reasons.items()]
    raise ValueError(
        f"`model` '{model.name}' has no channels that can be removed"
        + (":\n" + "\n".join(lines) if lines else ": no convolution and no Dense layer makes any.")
    )
