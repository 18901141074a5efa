"""Lists the layers of a model."""

from typing import Any


def every_layer(model: Any) -> list[Any]:
    """Returns all layers of a model, those inside other layers and the model itself included.

    Args:
        model: A model or layer of Keras 3 or tf_keras.

    Returns:
        List of layers.
    """
    # This method is private, and the same in both (keras 3.15, layer.py; tf_keras 2.21,
    # engine/base_layer.py).
    return list(model._flatten_layers())
