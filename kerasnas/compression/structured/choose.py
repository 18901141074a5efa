"""Which channels go, so that a share of the multiply-accumulates is left."""

import bisect
import contextlib
import math

import numpy as np

from kerasnas.compression.structured.trace import Trace, Weight
from kerasnas.hardware import profile

# The smallest share of its channels that any layer keeps: fine-tuning cannot widen a bottleneck.
_LEAST = 0.1
# If this share of the allowed multiply-accumulates is used, no channel is put back.
_CLOSE = 0.99


def choose(trace: Trace, scores: np.ndarray, keep: float) -> np.ndarray:
    """Chooses the sets of channels that go: those of least score, one by one.

    Every layer keeps `keep` of its channels, unless so little of the model cannot be reached then.
    Without that, the first layers were left with a few, and on Fashion-MNIST a network of the
    cell-level space lost 1.8 points more at half of the multiply-accumulates.

    Args:
        trace: The model.
        scores: Importance by label, 0 or more.
        keep: Largest share of the model's multiply-accumulates to be left.

    Returns:
        Bool by label: whether it goes.

    Raises:
        ValueError: If so little cannot be reached.
    """
    makers = [weight for weight in trace.weights.values() if weight.makes_channels]
    total = known = _macs(makers, np.zeros(trace.labels, bool))
    # If a layer has no cost rule, the share is one of the layers whose costs are known.
    with contextlib.suppress(ValueError):
        total = profile(trace.model).macs
    fixed = total - known

    def left(labels: list[int]) -> float:
        return (fixed + _macs(makers, _marked(trace, labels))) / total

    order = _removable_in_order(trace, scores, keep)
    if left(order) > keep:
        order = _removable_in_order(trace, scores, _LEAST)
    if left(order) > keep:
        raise ValueError(
            f"`keep` must be at least {math.ceil(1000 * left(order)) / 1000:.3f} for the model "
            f"'{trace.model.name}': the rest of its multiply-accumulates is in channels that must "
            f"stay. Received: keep={keep}"
        )
    number = bisect.bisect_left(range(len(order)), -keep, key=lambda n: -left(order[:n]))
    chosen = order[:number]
    # In a small network one channel can be a tenth of the costs, so others may be put back
    # after it.
    for label in reversed(chosen):
        if left(chosen) > _CLOSE * keep:
            break
        without = [other for other in chosen if other != label]
        if left(without) <= keep:
            chosen = without
    return _marked(trace, chosen)


def _marked(trace: Trace, labels: list[int]) -> np.ndarray:
    marked = np.zeros(trace.labels, bool)
    marked[labels] = True
    return marked


def _macs(makers: list[Weight], gone: np.ndarray) -> int:
    return sum(
        weight.positions
        * math.prod(
            size if labels is None else int((~gone[labels]).sum())
            for size, labels in zip(weight.values.shape, weight.axes.labels, strict=True)
        )
        for weight in makers
    )


def _removable_in_order(trace: Trace, scores: np.ndarray, least: float) -> list[int]:
    """Returns the sets in the order in which they may go while each layer keeps its share."""
    made = [w.filter_labels for w in trace.weights.values() if w.makes_channels]
    spare = [len(labels) - math.ceil(least * len(labels)) for labels in made]
    members: dict[int, list[tuple[int, int]]] = {}
    for maker, labels in enumerate(made):
        for label, number in zip(*np.unique(labels, return_counts=True), strict=True):
            members.setdefault(int(label), []).append((maker, int(number)))
    order = []
    for label in trace.removable[np.argsort(scores[trace.removable], kind="stable")].tolist():
        involved = members.get(label, [])
        if all(spare[maker] >= number for maker, number in involved):
            for maker, number in involved:
                spare[maker] -= number
            order.append(label)
    return order
