"""Weights of samples by their classes, for classes of which there are few samples."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def balanced(counts: Mapping[int, int]) -> dict[int, float]:
    """Weights with which every class counts the same, and all samples together as without.

    Args:
        counts: How many samples each class has.

    Example:

    >>> from kerasnas.training.class_weights import balanced
    >>> balanced({0: 3, 1: 1})
    {0: 0.6666666666666666, 1: 2.0}
    """
    samples = sum(counts.values())
    return {name: samples / (len(counts) * count) for name, count in sorted(counts.items())}


def count_classes(y: Any) -> dict[int, int]:
    """Returns how many samples of an array of targets each class has."""
    found, counts = np.unique(classes_of(y), return_counts=True)
    return {int(name): int(count) for name, count in zip(found, counts, strict=True)}


def classes_of(y: Any) -> np.ndarray:
    """Returns the class of each sample by its number.

    Args:
        y: Classes by number, in one dimension or as a column, or one-hot.

    Raises:
        ValueError: The targets are something else.
    """
    parts = keras.tree.flatten(y)
    several = isinstance(y, Mapping) or (len(parts) > 1 and np.ndim(parts[0]) > 0)
    array: np.ndarray = np.zeros(()) if several else np.asarray(y)
    if array.ndim == 2:
        array = array[:, 0] if array.shape[1] == 1 else array.argmax(-1)
    if array.ndim != 1:
        found = f"{len(parts)} arrays" if several else f"y of shape {np.shape(y)}"
        raise ValueError(
            "Argument `class_weight` needs one class a sample, by number or one-hot: use "
            f"`sample_weight` of `fit` for other targets. Received: {found}"
        )
    return np.rint(array).astype(np.int64)


def weights_of(y: Any, class_weight: Mapping[int, float], sample_weight: Any = None) -> np.ndarray:
    """Returns the weight of each sample: that of its class, times its own if it has one.

    Args:
        y: As in `classes_of`.
        class_weight: Weight by class; a class that is missing has 1.
        sample_weight: A weight for each sample, or None.
    """
    classes = classes_of(y)
    found, places = np.unique(classes, return_inverse=True)
    by_class = np.array([class_weight.get(int(name), 1.0) for name in found], np.float32)
    weights = by_class[places]
    return weights if sample_weight is None else weights * np.asarray(sample_weight, np.float32)
