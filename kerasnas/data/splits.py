"""Reads the training and the validation data from the arguments of `fit`."""

from collections.abc import Mapping
from typing import Any

import keras

from kerasnas.data.arrays import Samples, in_memory, map_samples


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
            "The file of a trial is scored on validation data: pass `validation_data` or "
            "`validation_split`. Received: neither"
        )
    train = fit["x"], fit.get("y"), fit.get("sample_weight")
    train = in_memory("x", train, fit.get("steps_per_epoch"), enough)
    if given is None:
        # `fit` takes the last part of the data for validation too, before it shuffles.
        at = int(len(keras.tree.flatten(train[0])[0]) * (1.0 - float(share or 0)))
        return map_samples(lambda a: a[:at], train), map_samples(lambda a: a[at:], train)
    if isinstance(given, (tuple, list)):
        given = keras.utils.unpack_x_y_sample_weight(tuple(given))
    else:
        given = given, None, None
    return train, in_memory("validation_data", given, fit.get("validation_steps"), None)
