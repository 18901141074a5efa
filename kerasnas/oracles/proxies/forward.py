"""A pass through a model's graph, call by call, in which proxies can read or replace calls."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasnas.keras_models.walk import Call

# Computes one call: (operation, positional arguments, keyword arguments) -> its result.
Apply = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]

# Class names of activations, in lower case: of layers and of `keras.ops` operations. The output of
# the first kind has the sign of its input, that of the second always the same.
_SAME_SIGN = {
    *("relu", "relu6", "leakyrelu", "prelu", "elu", "selu", "celu", "gelu", "silu", "hardsilu"),
    *("swish", "hardswish", "mish", "tanh", "hardtanh", "softsign", "tanhshrink", "threshold"),
}
_ONE_SIGN = {
    *("sigmoid", "hardsigmoid", "logsigmoid", "sparsesigmoid", "softplus", "sparseplus"),
    *("squareplus", "softmax", "logsoftmax", "sparsemax", "exponential"),
}


def run(
    model: keras.Model, calls: Sequence[Call], inputs: Sequence[Any], apply: Apply
) -> list[Any]:
    """Computes a model's outputs eagerly, each call done by `apply`.

    Args:
        model: Built Sequential or Functional model.
        calls: Its calls, as `kerasnas.keras_models.walk.walk` lists them.
        inputs: One tensor for each of `model.inputs`.
        apply: Does one call; `operation(*args, **kwargs)` is what the model itself would do.

    Returns:
        One tensor for each of `model.outputs`.

    Example:

    ```python
    from kerasnas.keras_models.walk import walk

    outputs = run(model, walk(model), [x], lambda layer, args, kwargs: layer(*args, **kwargs))
    ```
    """
    tensors = {id(made): given for made, given in zip(model.inputs, inputs, strict=True)}

    def real(leaf: Any) -> Any:
        return tensors[id(leaf)] if isinstance(leaf, keras.KerasTensor) else leaf

    for call in calls:
        if not call.inputs:  # An InputLayer, whose tensor is given.
            continue
        args = keras.tree.map_structure(real, call.args)
        kwargs = keras.tree.map_structure(real, call.kwargs)
        made = keras.tree.flatten(apply(call.operation, args, kwargs))
        tensors.update((id(old), new) for old, new in zip(call.outputs, made, strict=True))
    return [tensors[id(tensor)] for tensor in model.outputs]


def as_in_training(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Computes one call as in training, but without randomness.

    Normalization uses the statistics of the batch, as in the first step of a training; with its
    initial ones it would do nothing. Dropout and augmentation are off.
    """
    if isinstance(operation, keras.layers.BatchNormalization):
        kwargs = {**kwargs, "training": True}
    elif "training" in kwargs:
        kwargs = {**kwargs, "training": False}
    return operation(*args, **kwargs)


def activation_of(operation: Any) -> str | None:
    """Names the activation that an operation ends with.

    Args:
        operation: A layer or a `keras.ops` operation of a model's graph.

    Returns:
        "relu", "softmax" and so on, in lower case without underscores, or None for none.

    Example:

    >>> import keras
    >>> activation_of(keras.layers.Dense(4, activation="leaky_relu"))
    'leakyrelu'
    """
    if is_activation(operation) and not isinstance(operation, keras.layers.Activation):
        return type(operation).__name__.lower()
    function = getattr(operation, "activation", None)
    if function is None:
        return None
    name = getattr(function, "__name__", type(function).__name__).replace("_", "").lower()
    return None if name == "linear" else name


def is_activation(operation: Any) -> bool:
    """Returns whether an operation is only an activation."""
    if isinstance(operation, keras.layers.Activation):
        return True
    return type(operation).__name__.lower() in _SAME_SIGN | _ONE_SIGN


def splits(activation: str | None) -> bool:
    """Returns whether an activation's outputs show the sign of its inputs."""
    return activation is not None and activation not in _ONE_SIGN


def like_outputs(model: keras.Model, tensors: Sequence[Any]) -> Any:
    """Puts one tensor for each of `model.outputs` into the structure that the model returns."""
    if isinstance(model, keras.Sequential):  # It has no `output` before it was called.
        return tensors[0] if len(tensors) == 1 else list(tensors)
    return keras.tree.pack_sequence_as(model.output, list(tensors))


def feeds(model: keras.Model, x: Any) -> list[Any]:
    """Puts a minibatch into the order, dtype and rank of a model's inputs.

    Args:
        model: Built Sequential or Functional model.
        x: An array of shape (batch, ...), or a list or dict of one for each input.

    Returns:
        One tensor for each of `model.inputs`.

    Raises:
        ValueError: Not one array for each input.
    """
    if isinstance(x, dict):
        # By the names of its own dict of inputs, else by those of the inputs themselves.
        names = None if isinstance(model, keras.Sequential) else model.input
        if not isinstance(names, dict):
            names = {tensor.name: tensor for tensor in model.inputs}
        by_tensor = {id(tensor): x.get(name) for name, tensor in names.items()}
        given = [by_tensor.get(id(tensor)) for tensor in model.inputs]
    else:
        given = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(given) != len(model.inputs) or any(array is None for array in given):
        received = sorted(x) if isinstance(x, dict) else f"{len(given)} arrays"
        raise ValueError(
            "Argument `x` must hold one array for each input of the model, "
            f"{[tensor.name for tensor in model.inputs]}. Received: {received}"
        )
    return [_fed(array, tensor) for array, tensor in zip(given, model.inputs, strict=True)]


def _fed(array: Any, wanted: keras.KerasTensor) -> Any:
    tensor = keras.ops.convert_to_tensor(array, dtype=wanted.dtype)
    # As `fit` does: grey images and single columns may come without their last axis.
    if len(tensor.shape) == len(wanted.shape) - 1 and wanted.shape[-1] == 1:
        return keras.ops.expand_dims(tensor, -1)
    return tensor
