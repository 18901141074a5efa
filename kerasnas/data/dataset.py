"""Checks the data that a user passes against the model, before any work is done."""

import contextlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import by_tensor, in_batches, in_memory, inputs_in_order, is_nested
from kerasnas.keras_models.shapes import check_shapes, fits


@dataclass(frozen=True)
class Dataset:
    """Inputs, targets and weights of the samples.

    Args:
        x: One array for each input, in the order of `model.inputs`.
        y: The targets.
        sample_weight: What `weights` gives.
    """

    x: list[np.ndarray]
    y: Any
    sample_weight: Any = None

    @property
    def fed(self) -> Any:
        """The inputs as tf_keras and the interpreter take them: one array, or a list of several."""
        return self.x if len(self.x) > 1 else self.x[0]


def samples(argument: str, given: Any) -> Any:
    """Reads a data set of batches into memory; returns anything else as it is.

    Args:
        argument: Name of the argument, for the message.
        given: What the user gave.

    Returns:
        Tuple `(x, y, sample_weight)` of arrays, or what was given.

    Raises:
        ValueError: If it cannot be read again or never ends.
    """
    return in_memory(argument, (given, None, None)) if in_batches(given) else given


def dataset(argument: str, given: Any, model: keras.Model) -> Dataset:
    """Checks a tuple `(x, y)` or `(x, y, sample_weight)` against a model.

    Args:
        argument: Name of the argument, for the message.
        given: What the user gave.
        model: The Keras 3 model.

    Returns:
        `Dataset`.

    Raises:
        ValueError: If it is no such tuple, or shapes or lengths do not fit.
    """
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        found = f"{len(given)} values" if isinstance(given, tuple | list) else type(given)
        raise ValueError(
            f"`{argument}` must be a tuple (x, y) or (x, y, sample_weight) of arrays. "
            f"Received: {found}"
        )
    check_shapes(model)
    x, y = _inputs(argument, given[0], model), given[1]
    if isinstance(y, list) and len(model.outputs) == 1:
        # A list may be the array written as a list, or a list that holds the array.
        alone = len(y) == 1 and np.ndim(y[0]) > 0 and len(y[0]) == len(x[0])
        y = np.asarray(y[0] if alone else y)
    for index, (array, tensor) in enumerate(zip(x, model.inputs, strict=True)):
        if not fits(array, tensor):
            wanted = ("samples", *tensor.shape[1:])
            raise ValueError(
                f"`{argument}` must hold x of shape {wanted} for input {index}. "
                f"Received: shape {array.shape}"
            )
    if y is None:
        raise ValueError(f"`{argument}` must hold targets. Received: x alone")
    targets = [np.asarray(array) for array in keras.tree.flatten(y)]
    if not targets:
        raise ValueError(f"`{argument}` must hold targets. Received: y={y!r}")
    if any(array.dtype.kind not in "fiub" for array in targets):
        kinds = [str(array.dtype) for array in targets]
        raise ValueError(f"`{argument}` must hold numbers in y. Received: dtypes {kinds}")
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in targets):
        raise ValueError(f"`{argument}` must hold finite targets. Received: NaN or infinity in y")
    lengths = [array.shape[0] if array.ndim else 0 for array in (*x, *targets)]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            f"`{argument}` must hold x and y of the same length, at least 1. Received: lengths "
            f"{lengths[: len(x)]} of x and {lengths[len(x) :]} of y"
        )
    weighted = weights(argument, given[2], model, len(x[0])) if len(given) == 3 else None
    return Dataset(x, in_order(argument, y, model), weighted)


def weights(argument: str, given: Any, model: keras.Model, count: int) -> Any:
    """Checks the weights of samples against a model.

    Args:
        argument: Name of the argument, for the message.
        given: As `fit(sample_weight=...)` takes them: an array of shape (samples,), or with a
            weight for each step too; of several outputs one for all, or a list or dict of arrays.
        model: Built Keras 3 model.
        count: Number of samples.

    Returns:
        None, an array, or a list with one for each of several outputs.

    Raises:
        ValueError: If they are no finite numbers, all zero, or do not fit samples or outputs.
    """
    if given is None:
        return None
    given = in_order(argument, given, model)
    listed = isinstance(given, list | tuple) and len(given) == len(model.outputs)
    if not (listed and all(one is None or np.ndim(one) for one in given)):
        given = [given] * len(model.outputs)
    arrays = [np.asarray(np.ones(count) if one is None else one, dtype="float32") for one in given]
    for array, tensor in zip(arrays, model.outputs, strict=True):
        # A loss has one value for each position of all axes but the last.
        expected = (count, *tensor.shape[1:-1], 1)
        steps_fit = len(array.shape) <= len(expected) and all(
            have in (1, want) for want, have in zip(expected, array.shape, strict=False)
        )
        if array.shape[:1] != (count,) or not steps_fit:
            steps = f", or with a weight for each step up to {expected[:-1]}"
            raise ValueError(
                f"`{argument}` must hold sample weights of shape {(count,)}"
                f"{steps if len(expected) > 2 else ''}. Received: shape {array.shape}"
            )
        if not np.isfinite(array).all() or not array.any():
            raise ValueError(
                f"`{argument}` must hold finite sample weights that are not all 0. Received: "
                + ("zeros" if np.isfinite(array).all() else "NaN or infinity")
            )
    return arrays if len(arrays) > 1 else arrays[0]


def in_order(argument: str, y: Any, model: keras.Model) -> Any:
    """Sorts targets that are given by name, or in the structure of the model's outputs.

    Args:
        argument: Name of the argument, for the message.
        y: Targets, or weights of them.
        model: Built Keras 3 model.

    Returns:
        A list in the order of `model.outputs` for a dict or a nested list, or what was given.

    Raises:
        ValueError: If a dict has other names than the outputs.
    """
    if not isinstance(model, keras.Sequential) and is_nested(model.output):
        with contextlib.suppress(LookupError):
            return by_tensor(model.output, y, model.outputs)
    if not isinstance(y, dict):
        return y
    names = output_names(model)
    if set(y) != set(names):
        raise ValueError(
            f"`{argument}` must hold arrays for each of the outputs {names}. Received: {list(y)}"
        )
    return [np.asarray(y[name]) for name in names]


def output_names(model: keras.Model) -> list[str]:
    """Returns the names of the outputs of a model, as losses and targets in a dict use them.

    Args:
        model: Built Keras 3 model.

    Returns:
        List of names, in the order of `model.outputs`.
    """
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    by_layer = isinstance(model.loss, dict) and set(model.loss) <= set(model.output_names)
    if isinstance(model.output, dict) and not by_layer:
        return [str(path[-1]) for path, _ in keras.tree.flatten_with_path(model.output)]
    return list(model.output_names)


def _inputs(argument: str, given: Any, model: keras.Model) -> list[np.ndarray]:
    arrays = inputs_in_order(f"{argument}[0]", given, model)
    for array in arrays:
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError(
                f"`{argument}` must hold finite numbers in x. Received: dtype {array.dtype}"
                + (" with NaN or infinity" if array.dtype.kind == "f" else "")
            )
    return arrays
