"""Builds and compiles the model of a trial."""

from typing import Any

import keras
import keras_tuner

from kerasnas.keras_models.compiled import compile_anew


def build_model(
    hypermodel: keras_tuner.HyperModel,
    hp: keras_tuner.HyperParameters,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Any = None,
) -> keras.Model:
    """Builds a model, and compiles it anew where the tuner was given something to compile with.

    Args:
        hypermodel: What builds it.
        hp: The hyperparameters that the build reads.
        optimizer: Takes the place of the model's own, as do the next two.
        loss: None keeps the model's own.
        metrics: None keeps the model's own.

    Returns:
        The model.

    Raises:
        TypeError: The hypermodel built something else.
    """
    model = hypermodel.build(hp)
    check_model(model)
    if optimizer or loss or metrics:
        compile_anew(model, optimizer, loss, metrics)
    return model


def check_model(model: Any) -> None:
    """Raises a TypeError that names what came instead of a Keras model."""
    if isinstance(model, keras.Model):
        return
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    if model is None:
        way_out = "Did the function forget to return the model?"
    elif kind.startswith(("tf_keras.", "tensorflow.python.keras.")):
        way_out = "That is a Keras 2 model: make it with `import keras`, which is Keras 3."
    else:
        way_out = "Return an instance of `keras.Model`."
    raise TypeError(
        f"The hypermodel must build a Keras model. {way_out} Received: an object of type {kind}"
    )


def build_config(model: keras.Model) -> dict[str, Any]:
    """Returns what builds the model again before its weights are loaded.

    The batch size of the training is left out: the loaded model would be bound to it.

    Args:
        model: A trained model.
    """
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    # Recurrent layers that keep their state from batch to batch are made for its size.
    bound = any(getattr(layer, "stateful", False) for layer in model.layers)
    # A model of several inputs has a shape for each.
    if bound or not isinstance(shape, (list, tuple)) or any(isinstance(n, tuple) for n in shape):
        return config
    return {**config, "input_shape": [None, *shape[1:]]}
