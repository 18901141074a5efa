"""The norm of the gradients of an untrained network's loss."""

from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.walk import walk
from kerasnas.oracles.proxies.forward import as_in_training, feeds, like_outputs, run
from kerasnas.oracles.proxies.gradients import gradients, with_weights


def grad_norm(model: keras.Model, x: Any, y: Any) -> float:
    """Scores a model by the size of its first step.

    The sum, over the trainable weight tensors, of the Euclidean norm of the gradient of the
    compiled loss on one minibatch. Normalization takes the statistics of the batch, dropout is off.
    The model stays as it is.

    Args:
        model: Built and compiled Sequential or Functional model.
        x: Minibatch: an array of shape (batch, ...), or a list or dict of them.
        y: Its targets, as `fit` takes them.

    Returns:
        The sum of the norms, 0 or more.

    Raises:
        ValueError: The model is not compiled, or has no graph.

    Source: Abdelfattah et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv:2101.08134,
    section 3.2.

    Example:

    >>> import keras, numpy as np
    >>> from kerasnas.oracles.proxies import grad_norm
    >>> layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    >>> model = keras.Sequential([keras.Input((1,)), layer])
    >>> model.compile(loss="mse")
    >>> grad_norm(model, np.ones((1, 1)), np.ones((1, 1)))   # of (w - 1)² at w = 0
    2.0
    """
    if not model.compiled:
        raise ValueError(
            "The proxy `grad_norm` needs the model's loss: call `model.compile(loss=...)`. "
            f"Received: model={model.name!r}, which is not compiled"
        )
    calls, inputs, variables = walk(model), feeds(model, x), model.trainable_variables
    targets = keras.tree.map_structure(keras.ops.convert_to_tensor, y)
    losses = model._compile_loss
    if losses is not None and not losses.built:
        # Inside the scope below it could not make its variables (keras 3.15, compile_utils.py).
        losses.build(targets, like_outputs(model, model.outputs))

    def loss(values: list[Any]) -> Any:
        with with_weights(variables, values):
            outputs = run(model, calls, inputs, as_in_training)
            return model.compute_loss(x=x, y=targets, y_pred=like_outputs(model, outputs))

    values = [keras.ops.convert_to_tensor(variable.value) for variable in variables]
    found = gradients(loss, values) if values else []
    return float(sum(np.linalg.norm(np.ravel(gradient)) for gradient in found))
