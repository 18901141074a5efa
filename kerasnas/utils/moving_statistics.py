"""The moving statistics of batch normalization, computed anew from samples.

In inference a batch normalization uses moving averages of what it saw in training. After few steps
they still hold their initial values and what earlier weights made, and the model scores like noise.
Layers of Keras 3 and of tf_keras are treated alike.

Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3.1.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

# A variance starts at 1 and may have to fall to .001: until then its start outweighs the data.
_FADED = 1e-3
# A moving variance of this size tells, by what a pass leaves of it, how often the pass updates it.
_MARK = 1e20


def normalizations(layers: Iterable[Any]) -> list[Any]:
    """The layers whose moving statistics training updates and only inference uses.

    Args:
        layers: Layers of a built model, those inside of other layers included.

    Returns:
        The trainable ones with a `moving_mean`, a `moving_variance` and a `momentum`.
    """
    return [
        layer
        for layer in layers
        if layer.trainable
        and not getattr(layer, "renorm", False)  # It uses them in training, too.
        and isinstance(getattr(layer, "momentum", None), (int, float))
        and all(
            getattr(layer, name, None) is not None and np.array(getattr(layer, name)).itemsize >= 4
            for name in ("moving_mean", "moving_variance")
        )
    ]


def unsettled(layers: Iterable[Any], steps: int) -> list[Any]:
    """The layers whose statistics so many steps cannot have settled.

    Args:
        layers: Layers that `normalizations` gives.
        steps: Training steps since the statistics were as they should not be.

    Returns:
        Those that still hold more than a thousandth of what they held before the steps.
    """
    return [layer for layer in layers if layer.momentum**steps > _FADED]


def compute(
    model: Any, layers: Sequence[Any], forward: Callable[[Any], Any], batches: Sequence[Any]
) -> None:
    """Gives layers the mean and the variance of their inputs over all batches.

    Nothing else of the model changes, such as the state of a random generator.

    Args:
        model: The model, of Keras 3 or tf_keras.
        layers: Layers of it that `normalizations` gives. One that `forward` does not update, since
            the model always calls it for inference, keeps what it has.
        forward: Calls the model for training on one batch.
        batches: Inputs of the model, at least one batch.

    Example:

    ```python
    layers = normalizations(model.layers)
    compute(model, layers, lambda x: model(x, training=True), [x[:64], x[64:128]])
    ```
    """
    kept = [(variable, np.array(variable)) for variable in model.non_trainable_variables]
    try:
        for layer in layers:
            layer.moving_variance.assign(np.full(_shape(layer), _MARK, "float32"))
        forward(batches[0])
        # What a pass leaves of the values before it: momentum to the power of its updates.
        left = [float(np.array(layer.moving_variance).flat[0]) / _MARK for layer in layers]
        found = [
            (layer, 1 - share, np.zeros((2, *_shape(layer))))
            for layer, share in zip(layers, left, strict=True)
            if share < 1 - _FADED**2
        ]
        _restore(kept)  # A layer that is called for inference shapes what the others see.
        for batch in batches:
            for layer, _, _ in found:
                layer.moving_mean.assign(np.zeros(_shape(layer), "float32"))
                layer.moving_variance.assign(np.zeros(_shape(layer), "float32"))
            forward(batch)
            for layer, new, total in found:
                mean = np.array(layer.moving_mean, "float64") / new
                square = np.array(layer.moving_variance, "float64") / new + mean**2
                total += np.multiply(rows(batch), (mean, square))
    finally:
        _restore(kept)
    for layer, _, total in found:
        mean, square = total / sum(map(rows, batches))
        layer.moving_mean.assign(mean.astype("float32"))
        layer.moving_variance.assign(np.maximum(square - mean**2, 0).astype("float32"))


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.moving_mean.shape)


def _restore(kept: Iterable[tuple[Any, np.ndarray]]) -> None:
    for variable, value in kept:
        variable.assign(value)


def rows(data: Any) -> int:
    """Number of samples in an array, or in a structure of arrays."""
    return len(keras.tree.flatten(data)[0])
