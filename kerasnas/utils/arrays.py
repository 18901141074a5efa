"""Data in the forms that Keras takes, as arrays."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

Samples = tuple[Any, Any, Any]  # x, y and the samples' weights, each an array, arrays, or None.


def listed(
    argument: str, x: Any, ranks: Sequence[int], names: Sequence[str] | None = None
) -> list[np.ndarray]:
    """Sorts inputs into the order of a model's.

    Args:
        argument: Name of the argument, for the message.
        x: An array, a list of arrays, or a dict of arrays by name of the input.
        ranks: Number of dimensions of each input, its batch included.
        names: Names of the inputs; None if they have none.

    Returns:
        List of arrays, one for each input.

    Raises:
        ValueError: If they are more or fewer, or have other names.

    Example:

    >>> listed("x", [[1.0, 2.0]], [2])[0].shape
    (1, 2)
    """
    given = [x]
    if isinstance(x, dict) and names is not None:
        if set(x) != set(names):
            raise ValueError(f"`{argument}` must have the keys {list(names)}. Received: {list(x)}")
        given = [x[name] for name in names]
    elif isinstance(x, list | tuple):
        alone = len(ranks) == 1 and not (len(x) == 1 and np.ndim(x[0]) == ranks[0])
        given = [x] if alone else list(x)
    if len(given) != len(ranks):
        raise ValueError(
            f"`{argument}` must be a list of {len(ranks)} arrays, one for each input. "
            f"Received: {f'{len(given)} arrays' if isinstance(x, list | tuple) else type(x)}"
        )
    return [np.asarray(array) for array in given]


def in_batches(data: Any) -> bool:
    """Whether data is a data set of batches, and no array or structure of arrays.

    Args:
        data: What a user gave.

    Returns:
        Whether `in_memory` must read it batch by batch.
    """
    whole = isinstance(data, (list, tuple, Mapping, str)) or hasattr(data, "shape")
    return hasattr(data, "__iter__") and not whole


def in_memory(
    argument: str, given: Samples, steps: int | None = None, enough: int | None = None
) -> Samples:
    """Reads samples that may come in batches.

    Args:
        argument: Name of the argument, for the message.
        given: Tuple of arrays (x, y, sample_weight); or x is a data set that gives them in
            batches, such as a `tf.data.Dataset` or a `keras.utils.PyDataset`.
        steps: How many batches to read; None for all.
        enough: How many samples are enough where they come in batches; None for all.

    Returns:
        Tuple (x, y, sample_weight) of arrays.

    Raises:
        ValueError: If x is a generator, which can be read only once, or never ends.
    """
    x = given[0]
    if not in_batches(x):
        return map_samples(keras.ops.convert_to_numpy, given)
    if iter(x) is x:
        raise ValueError(
            f"Argument `{argument}` must be arrays, or a data set that can be read again. "
            f"Received: a {type(x).__name__}"
        )
    if steps is None and enough is None and _endless(x):
        raise ValueError(
            f"Argument `{argument}` must be a data set that ends: leave out `repeat()`, or use "
            f"`take(...)`. Received: a {type(x).__name__} without end"
        )
    batches: list[Samples] = []
    count = 0
    for batch in itertools.islice(x, steps):
        unpacked = keras.utils.unpack_x_y_sample_weight(batch)
        batches.append(map_samples(keras.ops.convert_to_numpy, unpacked))
        arrays = [array for array in keras.tree.flatten(batches[-1]) if array is not None]
        if any(np.ndim(array) == 0 for array in arrays):
            raise ValueError(f"Argument `{argument}` must hold batches: use `batch(32)`")
        count += len(arrays[0])
        if enough is not None and count >= enough:
            break
    if not batches:
        raise ValueError(f"Argument `{argument}` must hold samples. Received: an empty data set")
    return keras.tree.map_structure(
        lambda *parts: None if parts[0] is None else np.concatenate(parts), *batches
    )


def map_samples(function: Callable[[Any], Any], samples: Samples) -> Samples:
    """Applies a function to every array of samples.

    Args:
        function: Takes an array.
        samples: Tuple (x, y, sample_weight).

    Returns:
        The same structure.
    """
    return keras.tree.map_structure(lambda a: None if a is None else function(a), samples)


def _endless(x: Any) -> bool:
    """Whether a data set of tf.data's or Keras's says that it has no end."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is None
    return hasattr(x, "cardinality") and int(x.cardinality()) == -1
