"""SynFlow: how much signal a network passes on, whatever the data."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.walk import Call, walk
from kerasnas.oracles.proxies.forward import as_in_training, is_activation, run
from kerasnas.oracles.proxies.gradients import double_precision, gradients, with_weights

# Layers that would shift, centre or cut the signal. Without them, positive signals stay positive.
_BYPASSED = tuple(
    getattr(keras.layers, name)
    for name in (
        "BatchNormalization",
        "GroupNormalization",
        "LayerNormalization",
        "RMSNormalization",  # Not in every Keras 3.
        "UnitNormalization",
        "Normalization",
        "Rescaling",
    )
    if hasattr(keras.layers, name)
)


def synflow(model: keras.Model) -> float:
    """Scores a model by the log of its synaptic flow.

    The flow is the sum over all trainable weights of w · dR/dw, where R is the sum of the outputs
    for an input of ones, every weight by its absolute value. Activations, softmax among them, and
    normalizations are left out, so that R is the sum over all paths of the product of their
    weights. It is computed in float64, as deep networks overflow float32. The model stays as it is.

    Args:
        model: Built Sequential or Functional model.

    Returns:
        The natural logarithm of the flow; -inf where no path joins an input and an output.

    Raises:
        ValueError: The model has no graph to read, or an input of unknown size.

    Source: Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving
    synaptic flow", arXiv:2006.05467, section 6; as a proxy: Abdelfattah et al. 2021,
    "Zero-cost proxies for lightweight NAS", arXiv:2101.08134, section 3.2.

    Example:

    >>> import keras
    >>> from kerasnas.oracles.proxies import synflow
    >>> layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    >>> round(synflow(keras.Sequential([keras.Input((3,)), layer])), 4)   # log of 3
    1.0986
    """
    calls = walk(model)
    variables = model.trainable_variables
    weights = [np.abs(keras.ops.convert_to_numpy(v)).astype("float64") for v in variables]
    with double_precision(model), _without_fused_activations(calls):
        inputs = [keras.ops.ones(_shape(tensor), _dtype(tensor)) for tensor in model.inputs]

        def total(values: list[Any]) -> Any:
            with with_weights(variables, values):
                outputs = run(model, calls, inputs, _linear)
            return sum(keras.ops.sum(output) for output in outputs)

        values = [keras.ops.convert_to_tensor(weight, dtype="float64") for weight in weights]
        found = gradients(total, values) if values else []
    flow = sum(float(np.sum(w * g)) for w, g in zip(weights, found, strict=True))
    return math.log(flow) if flow > 0 else -math.inf


def _linear(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if is_activation(operation) or isinstance(operation, _BYPASSED):
        return args[0] if args else next(iter(kwargs.values()))
    return as_in_training(operation, args, kwargs)


@contextlib.contextmanager
def _without_fused_activations(calls: list[Call]) -> Iterator[None]:
    """Takes the activations out of layers that apply one themselves, and puts them back after."""
    # Recurrent layers show the activation of their cell, without which they would not work.
    held = [
        (call.operation, call.operation.activation)
        for call in calls
        if "activation" in vars(call.operation) and not is_activation(call.operation)
    ]
    try:
        for layer, _ in held:
            layer.activation = None
        yield
    finally:
        for layer, activation in held:
            layer.activation = activation


def _shape(tensor: keras.KerasTensor) -> tuple[int, ...]:
    if any(size is None for size in tensor.shape[1:]):
        raise ValueError(
            "The proxy `synflow` needs inputs of known size: give keras.Input a shape without "
            f"None. Received: an input of shape {tuple(tensor.shape)}"
        )
    return (1, *tensor.shape[1:])


def _dtype(tensor: keras.KerasTensor) -> str:
    return "float64" if keras.backend.is_float_dtype(tensor.dtype) else tensor.dtype
