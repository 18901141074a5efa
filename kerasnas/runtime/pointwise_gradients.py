"""Works around a fault in oneDNN: gradients of 1×1 convolutions with strides.

oneDNN's gradient with respect to such a kernel of fewer than 16 input channels writes past its
workspace where a batch is odd: the process ends (SIGSEGV, SIGABRT) or hangs, or the gradient is
wrong. `benchmarks/native_crashes.py` shows on which shapes. A kernel of 1 reads every n-th position
of a map and no other, so the gradient without strides over these positions alone is the same, and
another kernel computes it.

Replaces two private functions of TensorFlow 2.21, through which `python/ops/nn_grad.py` computes
the gradients of all convolutions, transposed ones included, of Keras 3, tf_keras and `tf.nn`.

Source: https://github.com/uxlfoundation/oneDNN/issues/6035, open in oneDNN as of TensorFlow 2.21.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

_FUNCTIONS = ("conv2d_backprop_filter", "conv3d_backprop_filter_v2")
_BLOCK = 16  # Channels that oneDNN's kernel handles at once, with AVX-512.


def make_pointwise_gradients_safe() -> None:
    """Keeps TensorFlow from using the faulty kernel of oneDNN for any gradient from now on.

    Does nothing where TensorFlow is not loaded, or where it was called before. Each kernel whose
    gradient is computed in another way is told by a warning, since the same model can end a
    process that never calls this.
    """
    if "tensorflow" not in sys.modules:
        return
    from tensorflow.python.ops import gen_nn_ops

    for name in _FUNCTIONS:
        original = getattr(gen_nn_ops, name)
        if original.__module__ != __name__:
            setattr(gen_nn_ops, name, _without_strides(original))


def _without_strides(original: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    def gradient(
        inputs: Any, sizes: Any, pulled: Any, strides: list[int], padding: Any, **options: Any
    ) -> Any:
        kernel = _value(sizes)
        if kernel is None or set(kernel[:-2]) != {1} or max(strides) == 1 or kernel[-2] >= _BLOCK:
            return original(inputs, sizes, pulled, strides, padding, **options)
        _tell(sizes)
        pads = options.pop("explicit_paddings", [])
        if pads:
            inputs = tf.pad(inputs, tf.reshape(tf.constant(pads), (-1, 2)))
        picked = inputs[tuple(slice(None, None, stride) for stride in strides)]
        ones = [1] * len(strides)
        return original(picked, sizes, pulled, ones, "VALID", **{**options, "dilations": ones})

    return gradient


def _value(sizes: Any) -> Any:
    """Returns the shape of a kernel, which comes as a tensor, or None where it is not known yet."""
    import tensorflow as tf

    if not tf.is_symbolic_tensor(sizes):
        return sizes.numpy()
    if sizes.op.type != "ShapeN":
        return tf.get_static_value(sizes)
    shape = sizes.op.inputs[sizes.value_index].shape
    return shape.as_list() if shape.is_fully_defined() else None


def _tell(sizes: Any) -> None:
    import tensorflow as tf

    # An operation is named after its layer, behind "gradient_tape/" and before its own name.
    scope = sizes.op.name.split("/")[:-1] if tf.is_symbolic_tensor(sizes) else []
    name = "/".join(part for part in scope if part != "gradient_tape")
    warnings.warn(
        f"TensorFlow's gradient of {name or 'a convolution'}, a kernel of 1 with strides and fewer "
        "than 16 channels, can end the process, or be wrong, where a batch is odd (oneDNN issue "
        "6035). kerasnas computes the same in another way. Where this model is trained without it, "
        "use batches of even numbers only, or subsample the input before a convolution of stride 1",
        RuntimeWarning,
        stacklevel=2,
    )
