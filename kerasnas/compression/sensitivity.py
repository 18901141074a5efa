"""How many zeros each layer bears before any fine-tuning."""

from collections.abc import Sequence

import keras
import numpy as np

from kerasnas.bridge import build, canonical, read
from kerasnas.compression.prune import KERNELS, prunable
from kerasnas.data.dataset import Dataset
from kerasnas.data.scoring import Scorer, drop, first_metric

SHARES = (0.3, 0.5, 0.7, 0.8, 0.9)


def sensitivity(
    model: keras.Model, data: Dataset, shares: Sequence[float] = SHARES
) -> dict[str, dict[float, float]]:
    """Measures what zeros in one layer at a time cost.

    Args:
        model: Compiled and trained Keras 3 model. It is not changed.
        data: Samples to measure the first metric on.
        shares: Shares of the layer's smallest weights that are set to zero.

    Returns:
        Dict from the name of a layer that `Prune` touches to a dict from share to how much worse
        the metric becomes.

    Source:
        Han et al., "Learning both Weights and Connections for Efficient Neural Networks", arXiv
        1506.02626, section 4 (figure 6).
    """
    graph = canonical(read(model))
    legacy = build(graph)
    scorer = Scorer(model)
    touched = prunable(graph)

    def score() -> dict[str, float]:
        return scorer.score(legacy.predict(data.fed, verbose=0), data.y, data.sample_weight)

    before = score()
    metric = first_metric(before)
    direction = scorer.direction(metric)
    found: dict[str, dict[float, float]] = {}
    for layer in legacy.layers:
        if layer.name not in touched:
            continue
        weights = layer.get_weights()
        place = KERNELS[type(layer).__name__]
        found[layer.name] = {}
        for share in shares:
            changed = list(weights)
            changed[place] = _thinned(weights[place], share)
            layer.set_weights(changed)
            found[layer.name][share] = drop(metric, direction, before[metric], score()[metric])
        layer.set_weights(weights)
    return found


def bearable(measured: dict[str, dict[float, float]], loss: float) -> dict[str, float]:
    """Returns the largest share of zeros in each layer that costs no more than a given loss.

    Args:
        measured: As `sensitivity` gives it.
        loss: Of the metric, for one layer alone.

    Returns:
        Dict from layer to share; 0 where none is small enough.
    """
    return {
        name: max((share for share, lost in costs.items() if lost <= loss), default=0.0)
        for name, costs in measured.items()
    }


def _thinned(kernel: np.ndarray, share: float) -> np.ndarray:
    limit = np.quantile(np.abs(kernel), share)
    return np.where(np.abs(kernel) > limit, kernel, 0)
