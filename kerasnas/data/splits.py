"""Reads the training and the validation data from the arguments of `fit`."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import Samples, in_batches, in_memory, map_samples


def train_and_validation(fit: Mapping[str, Any], enough: int | None) -> tuple[Samples, Samples]:
    """Returns the training and the validation data as arrays.

    Args:
        fit: Arguments of `keras.Model.fit` by name.
        enough: How many training samples are enough where they come in batches; None for all.

    Returns:
        Both as tuples (x, y, sample_weight).

    Raises:
        ValueError: No validation data, or a generator, which can be read only once.

    Example:

    >>> import numpy
    >>> fit = {"x": numpy.arange(10), "y": numpy.arange(10), "validation_split": 0.3}
    >>> train, validation = train_and_validation(fit, None)
    >>> validation[0].tolist()
    [7, 8, 9]
    """
    given, share = fit.get("validation_data"), fit.get("validation_split")
    if given is None and not share:
        raise ValueError(
            "Scores need validation data: pass `validation_data` or `validation_split`. "
            "Received: neither"
        )
    train = fit["x"], fit.get("y"), fit.get("sample_weight")
    train = in_memory("x", train, fit.get("steps_per_epoch"), enough)
    if given is None:
        # `fit` takes the last part of the data for validation too, before it shuffles.
        at = training_rows({**fit, "x": train[0]})
        return map_samples(lambda a: a[:at], train), map_samples(lambda a: a[at:], train)
    if isinstance(given, (tuple, list)):
        given = keras.utils.unpack_x_y_sample_weight(tuple(given))
    else:
        given = given, None, None
    return train, in_memory("validation_data", given, fit.get("validation_steps"), None)


def training_rows(fit: Mapping[str, Any]) -> int:
    """Returns how many samples `fit` trains with: it takes the last ones for validation.

    Args:
        fit: Arguments of `keras.Model.fit` by name, with arrays.

    Example:

    >>> import numpy
    >>> training_rows({"x": numpy.arange(10), "validation_split": 0.3})
    7
    """
    first = keras.tree.flatten(fit["x"])[0]
    # Sparse matrices have a shape and no length.
    rows = first.shape[0] if getattr(first, "shape", None) is not None else len(first)
    if fit.get("validation_data") is not None:
        return int(rows)  # It comes before a split.
    return math.floor(int(rows) * (1.0 - float(fit.get("validation_split") or 0)))


def count_samples(fit: Mapping[str, Any]) -> int | None:
    """Returns how many training samples there are in an epoch, if it can be made of fewer.

    Args:
        fit: Arguments of `keras.Model.fit` by name.

    Returns:
        Their number, without those that `validation_split` leaves out; or None where the data comes
        in batches or as sparse matrices, or the number of steps is given.
    """
    x = fit.get("x")
    if x is None or in_batches(x) or fit.get("steps_per_epoch") is not None:
        return None
    if not all(hasattr(array, "__array__") for array in keras.tree.flatten(x)):
        return None
    return training_rows(fit)


def fewer_samples(fit: Mapping[str, Any], count: int, seed: int) -> dict[str, Any]:
    """Returns arguments of `fit` that train with a part of the samples, drawn once.

    Args:
        fit: Arguments of `keras.Model.fit` by name, for which `count_samples` returns a number.
        count: How many samples to train with. A smaller part belongs to every larger one.
        seed: Seed of the draw.

    Returns:
        The same arguments, but for the data.

    Example:

    >>> import numpy
    >>> fit = {"x": numpy.arange(10), "y": numpy.arange(10), "validation_split": 0.3}
    >>> fewer = fewer_samples(fit, 4, seed=0)
    >>> len(fewer["x"]), fewer["validation_data"][0].tolist()
    (4, [7, 8, 9])
    """
    samples = fit["x"], fit.get("y"), fit.get("sample_weight")
    arrays = map_samples(keras.ops.convert_to_numpy, samples)
    at = training_rows(fit)
    drawn = np.random.default_rng(seed).permutation(at)[:count]
    names = ("x", "y", "sample_weight")
    found = {name: value for name, value in fit.items() if name != "validation_split"}
    found |= dict(zip(names, map_samples(lambda a: a[drawn], arrays), strict=True))
    if fit.get("validation_data") is None and fit.get("validation_split"):
        left = map_samples(lambda a: a[at:], arrays)
        found["validation_data"] = left if left[2] is not None else left[:2]
    return found
