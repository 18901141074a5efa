"""Gives Keras 2 the activation functions that it lacks, or has in another form."""

from collections.abc import Callable
from functools import cache
from typing import Any

from kerasnas.keras_models.activations import ACTIVATIONS

EQUAL = tuple(name for name, row in ACTIVATIONS.items() if row.in_keras_2 == "equal")
GIVEN = tuple(name for name, row in ACTIVATIONS.items() if row.in_keras_2 == "given")


def for_tf_keras(name: Any) -> Any:
    """Returns what the `activation` argument of a tf_keras layer takes.

    Args:
        name: Name in `EQUAL` or `GIVEN`.

    Returns:
        The name, or the function of that name.
    """
    return given()[name] if name in GIVEN else name


@cache
def given() -> dict[str, Callable[[Any], Any]]:
    """Returns the functions of `GIVEN` on TensorFlow tensors, registered with tf_keras.

    They are registered so that layers that hold them can be cloned: under the bare name a clone
    would take Keras 2's `hard_sigmoid`.
    """
    import tensorflow as tf
    import tf_keras

    def glu(x: Any) -> Any:
        first, second = tf.split(x, 2, axis=-1)
        return first * tf.sigmoid(second)

    def soft_shrink(x: Any) -> Any:
        return tf.where(tf.abs(x) > 0.5, x - tf.sign(x) * 0.5, tf.zeros_like(x))

    def sparse_plus(x: Any) -> Any:
        shifted = x + 1.0
        curve = shifted * shifted / 4.0  # a file has no 8-bit form of a square
        return tf.where(x <= -1.0, tf.zeros_like(x), tf.where(x < 1.0, curve, x))

    def sparsemax(x: Any) -> Any:
        # This is what Keras 3.15.1 computes; its threshold is not that of the paper.
        ordered = tf.sort(x, direction="DESCENDING")
        excess = tf.cumsum(ordered, axis=-1) - 1.0
        ranks = tf.cast(tf.range(1, tf.shape(x)[-1] + 1), x.dtype)
        supported = tf.cast(ordered > excess / ranks, x.dtype)
        count = tf.reduce_sum(supported, axis=-1, keepdims=True)
        total = tf.reduce_sum(supported * (excess + 1.0), axis=-1, keepdims=True)
        return tf.maximum(x - (total - 1.0) / count, 0.0)

    functions: dict[str, Callable[[Any], Any]] = {
        "celu": lambda x: tf.maximum(x, 0.0) + tf.math.expm1(tf.minimum(x, 0.0)),
        "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True),
        "glu": glu,
        "hard_shrink": lambda x: tf.where(tf.abs(x) > 0.5, x, tf.zeros_like(x)),
        "hard_sigmoid": lambda x: tf.nn.relu6(x + 3.0) * (1 / 6),
        # The converter turns this form into one HARD_SWISH.
        "hard_silu": lambda x: x * (tf.nn.relu6(x + 3.0) / 6.0),
        "hard_tanh": lambda x: tf.clip_by_value(x, -1.0, 1.0),
        "log_sigmoid": lambda x: -tf.nn.softplus(-x),
        "soft_shrink": soft_shrink,
        "sparse_plus": sparse_plus,
        "sparse_sigmoid": lambda x: tf.clip_by_value(0.5 * (x + 1.0), 0.0, 1.0),
        "sparsemax": sparsemax,
        "squareplus": lambda x: 0.5 * (x + tf.sqrt(x * x + 4.0)),
        "tanh_shrink": lambda x: x - tf.tanh(x),
    }
    for name, function in functions.items():
        function.__name__ = function.__qualname__ = name
        tf_keras.utils.register_keras_serializable("kerasnas", name)(function)
    return functions
