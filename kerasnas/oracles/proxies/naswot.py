"""NASWOT: how differently an untrained network treats the samples of a minibatch."""

import math
from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.walk import walk
from kerasnas.oracles.proxies.forward import activation_of, as_in_training, feeds, run, splits


def naswot(model: keras.Model, x: Any) -> float:
    """Scores a model by the log-determinant of the kernel of its activation codes.

    The code of a sample is one bit for each activation in the network: whether it is above zero.
    The kernel of two samples is the number of bits that they share. Activations that are above zero
    everywhere, such as sigmoid and softmax, have no part in it. Normalization takes the statistics
    of the batch. The model stays as it is.

    Args:
        model: Built Sequential or Functional model.
        x: Minibatch: an array of shape (batch, ...), or a list or dict of them.

    Returns:
        The log-determinant; -inf where two samples have the same code.

    Raises:
        ValueError: No activation in the model splits its inputs by sign, or it has no graph.

    Source: Mellor et al. 2020, "Neural architecture search without training", arXiv:2006.04647,
    section 3.

    Example:

    >>> import keras, numpy as np
    >>> from kerasnas.oracles.proxies import naswot
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])
    >>> round(naswot(model, np.array([[1, 1], [1, -1]])), 4)   # log of 2 · 2 - 1 · 1
    1.0986
    """
    kernel: np.ndarray | float = 0.0

    def apply(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        nonlocal kernel
        result = as_in_training(operation, args, kwargs)
        if splits(activation_of(operation)):
            for tensor in keras.tree.flatten(result):
                kernel = kernel + _shared_bits(keras.ops.convert_to_numpy(tensor) > 0)
        return result

    with keras.StatelessScope():  # Normalization updates its averages, which must not last.
        run(model, walk(model), feeds(model, x), apply)
    if isinstance(kernel, float):
        raise ValueError(
            "The proxy `naswot` reads the signs of activations such as ReLU, and the model has "
            f'none: choose "synflow". Received: model={model.name!r}'
        )
    sign, logarithm = np.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else -math.inf


def _shared_bits(code: np.ndarray) -> np.ndarray:
    """Counts, for each two samples, the places where their codes are the same."""
    # Signs multiply to 1 where they are the same and to -1 elsewhere; float32 counts exactly to
    # 2^24 of them.
    signs = np.where(code.reshape(len(code), -1), np.float32(1), np.float32(-1))
    return np.asarray((signs.shape[1] + (signs @ signs.T).astype("float64")) / 2)
