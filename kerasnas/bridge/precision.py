"""Turns models of half precision into the float32 models that they stand for."""

from typing import Any

import keras

from kerasnas.keras_models.layers import every_layer

_FLOAT = "float32"


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the model itself, or one that computes in float32 with the same weights.

    Comparing a rebuild with the twin shows every mistake; comparing it with a model of half
    precision would hide those below a hundredth.

    Args:
        model: Built Sequential or Functional Keras 3 model.

    Returns:
        A model whose layers compute in float32. Inputs of integers stay as they are.

    Raises:
        ValueError: If Keras has quantized weights to integers, or a layer stays in half precision.

    Example:

    ```python
    half = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, dtype="mixed_float16")])
    in_float32(half).layers[0].compute_dtype  # "float32"
    ```
    """
    layers = _layers(model)
    for layer in layers:
        if layer.quantization_mode is not None:
            raise ValueError(
                f"`model` must have the weights that it was trained with, but Keras has quantized "
                f"'{layer.name}' ({type(layer).__name__}): pass the model as it was before "
                f"`quantize`. Received: '{model.name}', {layer.quantization_mode}"
            )
    if not any(_is_other_float(layer.compute_dtype) for layer in layers):
        return model
    plain = model
    if not isinstance(model, keras.Sequential):
        # The config of a subclass holds the arguments of its own constructor.
        plain = keras.Model(model.input, model.output, name=model.name)
    whole = keras.saving.serialize_keras_object(plain)
    without_state = {k: v for k, v in whole.items() if k not in ("build_config", "compile_config")}
    twin = keras.saving.deserialize_keras_object(
        _in_float32(without_state),
        custom_objects={type(layer).__name__: type(layer) for layer in layers},
        safe_mode=False,  # the code in the config comes from the model itself
    )
    for layer in _layers(twin):
        if _is_other_float(layer.compute_dtype):
            raise ValueError(
                f"'{layer.name}' ({type(layer).__name__}) computes in {layer.compute_dtype} "
                "whatever the dtype in its config: let its constructor pass `dtype` on"
            )
    twin.set_weights(plain.get_weights())
    return twin


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    others = (keras.Model, keras.layers.InputLayer)
    return [layer for layer in every_layer(model) if not isinstance(layer, others)]


def _is_other_float(dtype: Any) -> bool:
    return "float" in str(dtype) and dtype != _FLOAT


def _in_float32(config: Any) -> Any:
    """Returns a config, and those inside it, with every float dtype replaced."""
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(item) for item in config)
    if not isinstance(config, dict):
        return config
    return {
        key: _FLOAT if key == "dtype" and _is_other_float(value) else _in_float32(value)
        for key, value in config.items()
    }
