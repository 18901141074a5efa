"""Checks of the shapes of a model's inputs."""

from typing import Any

import numpy as np


def fits(array: np.ndarray, tensor: Any) -> bool:
    """Tells whether samples have the shape of an input.

    Args:
        array: The samples, of shape (samples, ...).
        tensor: An input of a Keras 3 or tf_keras model.

    Returns:
        Whether all sizes but the batch are equal; a size that the input leaves open takes any.
    """
    wanted = tuple(tensor.shape)[1:]
    return array.ndim == len(wanted) + 1 and all(
        want is None or want == have for want, have in zip(wanted, array.shape[1:], strict=True)
    )


def check_shapes(model: Any) -> None:
    """Raises an error if an input has no fixed shape, since no memory can be reserved for it.

    Args:
        model: Keras 3 or tf_keras model.

    Raises:
        ValueError: If a dimension other than the batch is None.
    """
    for tensor in getattr(model, "inputs", None) or []:
        if None in tuple(tensor.shape)[1:]:
            raise ValueError(
                "`model` must have inputs of fixed shape, for which a device reserves memory. "
                f"Received: '{model.name}' with input '{tensor.name}' of shape "
                f"{tuple(tensor.shape)}. Build it again with that shape and hand the weights over: "
                "new.set_weights(old.get_weights())"
            )
