"""The arrays in what `fit` is given, for work on the data that is not Keras's."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

Samples = tuple[Any, Any, Any]  # x, y and the samples' weights, each an array, arrays, or None.


def train_and_validation(fit: Mapping[str, Any], enough: int | None) -> tuple[Samples, Samples]:
    """Read the training and the validation data.

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
    train = _read("x", train, fit.get("steps_per_epoch"), enough)
    if given is None:
        # As `fit` does it: the last share, before any shuffling.
        at = int(len(keras.tree.flatten(train[0])[0]) * (1.0 - float(share or 0)))
        return _map(lambda a: a[:at], train), _map(lambda a: a[at:], train)
    if isinstance(given, (tuple, list)):
        given = keras.utils.unpack_x_y_sample_weight(tuple(given))
    else:
        given = given, None, None
    return train, _read("validation_data", given, fit.get("validation_steps"), None)


def _read(argument: str, given: Samples, steps: int | None, enough: int | None) -> Samples:
    x = given[0]
    arrays = hasattr(x, "shape") or isinstance(x, (list, tuple, Mapping))
    if arrays:
        return _map(keras.ops.convert_to_numpy, given)
    if iter(x) is x:
        raise ValueError(
            f"Argument `{argument}` must be arrays, or a data set that can be read again: trials "
            f"are scored on it after `fit`, too. Received: a {type(x).__name__}"
        )
    batches: list[Samples] = []
    count = 0
    for batch in itertools.islice(x, steps):
        unpacked = keras.utils.unpack_x_y_sample_weight(batch)
        batches.append(_map(keras.ops.convert_to_numpy, unpacked))
        count += len(keras.tree.flatten(batches[-1][0])[0])
        if enough is not None and count >= enough:
            break
    return keras.tree.map_structure(
        lambda *parts: None if parts[0] is None else np.concatenate(parts), *batches
    )


def _map(function: Callable[[Any], Any], samples: Samples) -> Samples:
    return keras.tree.map_structure(lambda a: None if a is None else function(a), samples)
