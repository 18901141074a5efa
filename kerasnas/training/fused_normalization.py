"""Trains batch normalization in one operation of TensorFlow's in the place of Keras 3's two dozen.

Keras 3 computes mean, variance and output step by step, and TensorFlow the gradient of each step:
every one reads and writes the whole map. TensorFlow's own operation, which Keras 2 used, does it in
a few passes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from kerasnas.keras_models.layers import every_layer


@contextmanager
def fused_normalization(model: keras.Model) -> Iterator[None]:
    """Trains a network's batch normalizations within the block by TensorFlow's operation.

    The numbers are those of Keras but for the rounding of their last digits. Does nothing on other
    backends.

    Args:
        model: A built model.

    Example:

    ```python
    with fused_normalization(model):
        model.fit(x, y)
    ```
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    layers = [layer for layer in every_layer(model) if _can_be_fused(layer)]
    for layer in layers:
        layer.call = _fused(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _can_be_fused(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.axis in (-1, layer.input_spec.ndim - 1)
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and not (layer.renorm or layer.synchronized)
    )


def _fused(layer: Any) -> Callable[..., Any]:
    """Returns what a layer's `call` does, in one operation where it is called for training."""
    import tensorflow as tf

    plain = layer.call
    channels = int(layer.moving_mean.shape[0])

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and layer.trainable and mask is None):
            return plain(inputs, training=training, mask=mask)
        inputs = tf.convert_to_tensor(inputs)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            # The operation takes maps, and treats all places of them alike.
            x=tf.reshape(inputs, (1, -1, 1, channels)),
            scale=layer.gamma.value if layer.scale else tf.ones(channels),
            offset=layer.beta.value if layer.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=layer.epsilon,
        )
        # It estimates the variance of what the samples were drawn from; Keras takes theirs.
        count = tf.cast(tf.size(inputs) // channels, "float32")
        variance *= (count - 1.0) / count
        new = 1.0 - layer.momentum
        layer.moving_mean.assign(layer.moving_mean * layer.momentum + mean * new)
        layer.moving_variance.assign(layer.moving_variance * layer.momentum + variance * new)
        return tf.ensure_shape(tf.reshape(outputs, tf.shape(inputs)), inputs.shape)

    return call
