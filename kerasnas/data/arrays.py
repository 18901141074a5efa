"""Reads data in all forms that Keras takes, as arrays."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

# x, y and the weights of the samples: each is an array, a structure of arrays, or None.
Samples = tuple[Any, Any, Any]


def inputs_in_order(argument: str, x: Any, model: Any) -> list[np.ndarray]:
    """Sorts inputs into the order of `model.inputs`.

    Args:
        argument: Name of the argument, for the message.
        x: Arrays in the structure of the model's own inputs; or an array, a list in the order of
            `model.inputs`, or a dict by name of the input.
        model: Keras 3 or tf_keras model.

    Returns:
        List of arrays, one for each input.

    Raises:
        ValueError: If they are more or fewer, or have other names.
    """
    structure = None if isinstance(model, keras.Sequential) else model.input
    if isinstance(structure, Mapping) or is_nested(structure):
        with contextlib.suppress(LookupError):
            return by_tensor(structure, x, model.inputs)
    names = [tensor.name for tensor in model.inputs]
    if isinstance(x, Mapping):
        if set(x) != set(names):
            keys = list(structure) if isinstance(structure, Mapping) else names
            raise ValueError(f"`{argument}` must have the keys {keys}. Received: {list(x)}")
        return [np.asarray(x[name]) for name in names]
    return listed(argument, x, [len(tensor.shape) for tensor in model.inputs])


def packed(arrays: Sequence[Any], model: keras.Model) -> Any:
    """Returns arrays in the structure that a model is called with.

    Args:
        arrays: One for each of `model.inputs`.
        model: Keras 3 model.

    Returns:
        What its `predict` takes.
    """
    if isinstance(model, keras.Sequential):
        return arrays[0]
    return keras.tree.pack_sequence_as(model.input, list(arrays))


def is_nested(structure: Any) -> bool:
    """Returns whether the tensors of a model stand in more than one dict, list or tuple."""
    parts = structure.values() if isinstance(structure, Mapping) else structure
    several = isinstance(structure, Mapping | list | tuple)
    return several and any(keras.tree.is_nested(part) for part in parts)


def by_tensor(structure: Any, given: Any, tensors: Sequence[Any]) -> list[np.ndarray]:
    """Sorts arrays that are given in a structure of tensors.

    Args:
        structure: The inputs or outputs of a model, as it was made.
        given: Arrays in the same structure.
        tensors: The tensors of that structure, in the order that is wanted.

    Returns:
        List of arrays, one for each tensor.

    Raises:
        LookupError: If the arrays are in another structure.
    """
    found = {id(tensor): array for tensor, array in _paired(structure, given)}
    return [np.asarray(found[id(tensor)]) for tensor in tensors]


def _paired(structure: Any, x: Any) -> Iterator[tuple[Any, Any]]:
    """Returns the tensors of a structure, each with the array at its place in another structure.

    Raises:
        LookupError: If the other is built otherwise.
    """
    if isinstance(structure, Mapping):
        if not isinstance(x, Mapping) or set(x) != set(structure):
            raise LookupError
        for key, part in structure.items():
            yield from _paired(part, x[key])
    elif isinstance(structure, list | tuple):
        if not isinstance(x, list | tuple) or len(x) != len(structure):
            raise LookupError
        for part, inner in zip(structure, x, strict=True):
            yield from _paired(part, inner)
    else:
        yield structure, x


def listed(argument: str, x: Any, ranks: Sequence[int]) -> list[np.ndarray]:
    """Checks that there is an array for each input of a model.

    Args:
        argument: Name of the argument, for the message.
        x: An array, or a list of arrays.
        ranks: Number of dimensions of each input, its batch included.

    Returns:
        List of arrays, one for each input.

    Raises:
        ValueError: If they are more or fewer.

    Example:

    >>> listed("x", [[1.0, 2.0]], [2])[0].shape
    (1, 2)
    """
    given = [x]
    if isinstance(x, list | tuple):
        alone = len(ranks) == 1 and not (len(x) == 1 and np.ndim(x[0]) == ranks[0])
        given = [x] if alone else list(x)
    if len(given) != len(ranks):
        raise ValueError(
            f"`{argument}` must be a list of {len(ranks)} arrays, one for each input. "
            f"Received: {f'{len(given)} arrays' if isinstance(x, list | tuple) else type(x)}"
        )
    return [np.asarray(array) for array in given]


def in_batches(data: Any) -> bool:
    """Returns whether data is a data set of batches, not an array or a structure of arrays.

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
    """Returns whether a data set of tf.data or Keras says that it never ends."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is None
    return hasattr(x, "cardinality") and int(x.cardinality()) == -1
