"""How much a channel matters, told from the weights alone."""

from typing import Literal, TypeAlias

import numpy as np

from kerasnas.compression.structured.trace import Trace, Weight

Criterion: TypeAlias = Literal["batch_norm", "l1"]


def importance(trace: Trace, criterion: Criterion) -> np.ndarray:
    """Scores sets of channels.

    Args:
        trace: The model.
        criterion: "l1": mean absolute weight of the filters that make the channel. "batch_norm":
            absolute scale of its BatchNormalization, or "l1" where it has none. Each layer's
            scores are divided by their mean, so that layers compare; a set of channels has the
            mean of its members.

    Returns:
        Score by label, 0 or more.
    """
    weights = list(trace.weights.values())
    by_weights, _ = _mean_by_label(trace, [weight for weight in weights if weight.makes_channels])
    if criterion == "l1":
        return by_weights
    gammas = [weight for weight in weights if weight.attribute == "gamma"]
    by_scale, has_scale = _mean_by_label(trace, gammas)
    return np.where(has_scale, by_scale, by_weights)


def _mean_by_label(trace: Trace, weights: list[Weight]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean score of each label and whether it has one."""
    total, number = np.zeros(trace.labels), np.zeros(trace.labels)
    for weight in weights:
        sizes = np.abs(np.moveaxis(weight.values, weight.axes.filters, 0))
        scores = sizes.reshape(len(sizes), -1).mean(axis=1)
        mean = scores.mean()
        np.add.at(total, weight.filter_labels, scores / mean if mean else scores)
        np.add.at(number, weight.filter_labels, 1)
    return total / np.maximum(number, 1), number > 0
