"""Checks of the shapes of a model's inputs."""

from typing import Any


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
