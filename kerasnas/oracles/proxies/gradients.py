"""Gradients of a scalar on every Keras backend, without touching a model's own weights."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.layers import every_layer
from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe


def gradients(loss: Callable[[list[Any]], Any], values: Sequence[Any]) -> list[np.ndarray]:
    """Differentiates a function of tensors, eagerly.

    Args:
        loss: Function of tensors like `values` that returns a scalar tensor.
        values: Where to differentiate: tensors of the Keras backend.

    Returns:
        The gradient for each value, of its shape; zeros where the scalar does not depend on it.

    Raises:
        NotImplementedError: The Keras backend computes no gradients.

    Example:

    >>> import keras
    >>> from kerasnas.oracles.proxies.gradients import gradients
    >>> [found] = gradients(lambda v: keras.ops.sum(v[0] ** 2), [keras.ops.ones(2)])
    >>> found.tolist()
    [2.0, 2.0]
    """
    found = _differentiate(loss, list(values))
    return [
        np.zeros(tuple(value.shape)) if gradient is None else keras.ops.convert_to_numpy(gradient)
        for gradient, value in zip(found, values, strict=True)
    ]


def _differentiate(loss: Callable[[list[Any]], Any], values: list[Any]) -> Any:
    # Eagerly, since each function is differentiated once: tracing or compiling it would cost more.
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        make_pointwise_gradients_safe()
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            result = loss(values)
        found = tape.gradient(result, values)
        # The gradients of an embedding are slices.
        return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in found]
    if backend == "jax":
        import jax  # type: ignore[import-not-found,unused-ignore]

        return jax.grad(loss)(values)
    if backend == "torch":
        import torch  # type: ignore[import-not-found,unused-ignore]

        with torch.enable_grad():
            leaves = [value.detach().requires_grad_() for value in values]
            return torch.autograd.grad(loss(leaves), leaves, allow_unused=True)
    raise NotImplementedError(
        "Proxies that need gradients run on the Keras backends tensorflow, jax and torch. Choose "
        f'the proxy "naswot", "macs" or "params". Received: KERAS_BACKEND={backend!r}'
    )


def with_weights(variables: Sequence[Any], values: Sequence[Any]) -> keras.StatelessScope:
    """Returns a scope in which variables have other values, and assignments do not last.

    Args:
        variables: Keras variables.
        values: What each is inside the scope: tensors, of another dtype if need be.

    Returns:
        A context manager.
    """
    scope = keras.StatelessScope()
    for variable, value in zip(variables, values, strict=True):
        # Not by the constructor: it casts to the variable's dtype.
        scope.add_update((variable, value))
    return scope


@contextlib.contextmanager
def double_precision(model: keras.Model) -> Iterator[None]:
    """Lets every layer of a model compute in float64 within the block."""
    layers = every_layer(model)
    policies = [(layer, layer.dtype_policy) for layer in layers]
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax  # type: ignore[import-not-found,unused-ignore]
            import jax.experimental  # type: ignore[import-not-found,unused-ignore]

            home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
            stack.enter_context(home.enable_x64(True))
        try:
            for layer, _ in policies:
                layer.dtype_policy = "float64"
            yield
        finally:
            for layer, policy in policies:
                layer.dtype_policy = policy
