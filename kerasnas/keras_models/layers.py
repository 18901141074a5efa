"""The layers of a model."""

from typing import Any


def every_layer(model: Any) -> list[Any]:
    """All layers of a model, those inside of other layers and the model itself included.

    Args:
        model: A model or layer of Keras 3 or tf_keras.

    Returns:
        List of layers.
    """
    # Private (keras 3.15, layer.py; tf_keras 2.21, engine/base_layer.py), and alike in both.
    return list(model._flatten_layers())
