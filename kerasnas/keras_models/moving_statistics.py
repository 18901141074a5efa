"""Computes the moving statistics of batch normalization anew from samples.

In inference a batch normalization uses moving averages of what it saw in training. After few steps
they still hold their initial values and what earlier weights made, and the model scores like noise.
Layers of Keras 3 and of tf_keras are treated alike.

Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3.1.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.layers import every_layer

# 512 and 2,048 samples rank networks alike: see benchmarks/short_trainings.py.
SAMPLES = 512

# A variance starts at 1 and may have to fall to 0.001; until then its start outweighs the data.
_FADED = 1e-3
# The moving variance is set to this value, and what a pass leaves of it tells how often the pass
# updates it.
_MARK = 1e20
# It is as good as 0, but any update changes it.
_UNTOUCHED = np.float32(1e-30)
# A layer that no pass has updated after so many batches is taken for one that is never updated.
_LOOKED = 3


def settle(model: Any, x: Any, y: Any, batch_size: int, sample_weight: Any = None) -> None:
    """Computes statistics anew that a training of one epoch is too short to bring to their values.

    Those that were there stay where the loss is lower with them: a training with few samples and
    small steps knows less of the data than the one before it.

    Args:
        model: A compiled, trained model, of Keras 3 or tf_keras.
        x: All training inputs: an array, or a structure of arrays.
        y: All targets, likewise.
        batch_size: Samples in a step of the training.
        sample_weight: Weights of the samples in the loss, likewise, or None.
    """
    layers = unsettled(model, math.ceil(rows(x) / batch_size))
    if not layers:
        return
    data = (x, y) if sample_weight is None else (x, y, sample_weight)
    batches = drawn_batches(data, rows(x), batch_size)
    variables = [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]
    kept = [(variable, np.array(variable)) for variable in variables]

    def loss() -> float:
        found = []
        for batch in batches:
            # Keras 3 would average the loss of a batch with those of the batches before.
            model.reset_metrics()
            result = model.test_on_batch(*batch)
            found.append(np.atleast_1d(np.array(result, "float64"))[0])
        return float(np.mean(found))

    before = loss()
    compute(model, layers, training_pass(model), [batch[0] for batch in batches])
    if not loss() < before:
        _restore(kept)


def unsettled(model: Any, steps: int) -> list[Any]:
    """Returns the layers whose moving statistics cannot have reached their values in so few steps.

    Args:
        model: A built model.
        steps: Training steps in an epoch.

    Returns:
        Those that still hold more than a thousandth of what they held before the steps.
    """
    return [layer for layer in with_statistics(model) if layer.momentum**steps > _FADED]


def with_statistics(model: Any) -> list[Any]:
    """Returns the layers whose statistics training updates and only inference uses."""
    return [layer for layer in every_layer(model) if _keeps_statistics(layer)]


def _keeps_statistics(layer: Any) -> bool:
    return (
        layer.trainable
        and not getattr(layer, "renorm", False)  # It uses its statistics in training, too.
        and isinstance(getattr(layer, "momentum", None), (int, float))
        and all(
            getattr(layer, name, None) is not None and np.array(getattr(layer, name)).itemsize >= 4
            for name in ("moving_mean", "moving_variance")
        )
    )


def training_pass(model: Any) -> Callable[[Any], Any]:
    """Returns a function that calls a model on a batch as training does, without a gradient.

    Args:
        model: The model as it is trained; what is traced does not follow later changes.
    """

    def call(batch: Any) -> Any:
        return model(batch, training=True)

    of_keras_3 = isinstance(model, keras.Model)
    if model.run_eagerly or (of_keras_3 and keras.backend.backend() != "tensorflow"):
        return call
    import tensorflow as tf

    return tf.function(call, reduce_retracing=True)


def drawn_batches(data: Any, samples: int, batch_size: int) -> list[Any]:
    """Returns randomly drawn batches with at most `SAMPLES` samples together.

    Args:
        data: An array, or a structure of arrays.
        samples: How many of its first samples may be taken.
        batch_size: Samples in a batch.
    """
    # The order is random, because data may be sorted, and a batch of one class is not typical.
    picked = np.random.default_rng(0).permutation(samples)[:SAMPLES]
    size = min(batch_size, len(picked))
    arrays = keras.tree.map_structure(lambda array: np.asarray(array)[picked], data)
    return [
        keras.tree.map_structure(operator.itemgetter(slice(start, start + size)), arrays)
        for start in range(0, len(picked) - size + 1, size)
    ]


def compute(
    model: Any, layers: Sequence[Any], forward: Callable[[Any], Any], batches: Sequence[Any]
) -> None:
    """Gives layers the mean and the variance of their inputs over all batches.

    Nothing else of the model changes, such as the state of a random generator.

    Args:
        model: The model, of Keras 3 or tf_keras.
        layers: Layers of it that `unsettled` gives. One that `forward` does not update, since
            the model always calls it for inference, keeps what it has.
        forward: Calls the model for training on one batch.
        batches: Inputs of the model, at least one batch.

    Example:

    ```python
    compute(model, unsettled(model, steps=35), training_pass(model), [x[:32], x[32:64]])
    ```
    """
    # Some layers change their kernels in a training pass, too.
    kept = [(variable, np.array(variable)) for variable in model.variables]
    try:
        new = _shares(layers, forward, batches)
        # The output of a layer that is called in inference mode is the input of those after it.
        _restore(kept)
        found: list[tuple[Any, float, np.ndarray, list[int]]] = [
            (layer, share, np.zeros((2, *_shape(layer))), [])
            for layer, share in zip(layers, new, strict=True)
            if share
        ]
        for batch in batches:
            for layer, *_ in found:
                layer.moving_mean.assign(np.full(_shape(layer), _UNTOUCHED))
                layer.moving_variance.assign(np.zeros(_shape(layer), "float32"))
            forward(batch)
            for layer, share, total, counts in found:
                mean = np.array(layer.moving_mean)
                if mean.flat[0] == _UNTOUCHED:  # A branch that this batch does not take.
                    continue
                mean = mean.astype("float64") / share
                square = np.array(layer.moving_variance, "float64") / share + mean**2
                total += np.multiply(rows(batch), (mean, square))
                counts.append(rows(batch))
    finally:
        _restore(kept)
    for layer, _, total, counts in found:
        if counts:
            mean, square = total / sum(counts)
            layer.moving_mean.assign(mean.astype("float32"))
            layer.moving_variance.assign(np.maximum(square - mean**2, 0).astype("float32"))


def _shares(
    layers: Sequence[Any], forward: Callable[[Any], Any], batches: Sequence[Any]
) -> list[float]:
    """Returns the share of new values in the statistics after a pass.

    It is 0 for layers that the pass does not update.
    """
    shares = [0.0] * len(layers)
    for batch in batches[:_LOOKED]:
        for layer in layers:
            layer.moving_variance.assign(np.full(_shape(layer), _MARK, "float32"))
        forward(batch)
        for place, layer in enumerate(layers):
            left = float(np.array(layer.moving_variance).flat[0]) / _MARK
            if left > 1 - _FADED**2:
                continue
            # The number of updates is used, since the share itself has lost its last digits.
            shares[place] = 1.0
            if left and layer.momentum:
                updates = max(1, round(math.log(left) / math.log(layer.momentum)))
                shares[place] = 1 - layer.momentum**updates
        if all(shares):
            break
    return shares


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.moving_mean.shape)


def _restore(kept: Iterable[tuple[Any, np.ndarray]]) -> None:
    for variable, value in kept:
        variable.assign(value)


def rows(data: Any) -> int:
    """Returns the number of samples in an array, or in a structure of arrays."""
    return len(keras.tree.flatten(data)[0])
