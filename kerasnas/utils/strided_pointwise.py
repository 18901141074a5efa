"""1×1 convolutions with strides, trained past a fault of oneDNN.

The gradient of such a convolution of fewer than 16 input channels writes past its workspace where a
batch is odd: the process ends (SIGSEGV, SIGABRT) or hangs, or the gradient is wrong.
`benchmarks/native_crashes.py` shows on which shapes. Subsampling the input first computes the same
without that kernel.

Source: https://github.com/uxlfoundation/oneDNN/issues/6035, open in oneDNN as of TensorFlow 2.21.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

_BLOCK = 16  # Channels that oneDNN's kernel handles at once, with AVX-512.


def subsample_first(layers: Iterable[Any]) -> list[Any]:
    """Lets 1×1 convolutions take every n-th position of their input, then convolve without strides.

    Args:
        layers: Layers of Keras 3 or tf_keras, those inside of other layers included.

    Returns:
        The layers that do so from now on. `restore` takes that back.
    """
    changed = []
    for layer in layers:
        if _is_dangerous(layer) and "call" not in vars(layer):
            layer.call = _subsampling(layer, layer.call)
            changed.append(layer)
    return changed


def restore(layers: Iterable[Any]) -> None:
    """Gives layers that `subsample_first` changed their own way back."""
    for layer in layers:
        del layer.call


@contextlib.contextmanager
def subsampled_first(layers: Iterable[Any]) -> Iterator[None]:
    """`subsample_first` for the block alone."""
    changed = subsample_first(layers)
    try:
        yield
    finally:
        restore(changed)


def dangerous_transposed(layers: Iterable[Any]) -> list[Any]:
    """Transposed 1×1 convolutions with strides, which have the same gradient the other way round.

    Args:
        layers: Layers of Keras 3.

    Returns:
        Those of fewer than 16 filters.
    """
    return [
        layer
        for layer in layers
        if type(layer).__name__ in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
        and _pointwise(layer)
        and layer.filters < _BLOCK
    ]


def _pointwise(layer: Any) -> bool:
    return set(layer.kernel_size) == {1} and max(layer.strides) > 1


def _is_dangerous(layer: Any) -> bool:
    return (
        type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D")
        and _pointwise(layer)
        and not (layer.built and layer.kernel.shape[-2] >= _BLOCK)
    )


def _subsampling(layer: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    strides = layer.strides
    steps = [slice(None, None, stride) for stride in strides]
    whole = slice(None)
    first = layer.data_format == "channels_first"
    picked = (whole, whole, *steps) if first else (whole, *steps, whole)

    def call(inputs: Any) -> Any:
        if layer.kernel.shape[-2] >= _BLOCK:  # Known only once the layer is built.
            return original(inputs)
        layer.strides = (1,) * len(strides)
        try:
            return original(inputs[picked])
        finally:
            layer.strides = strides

    if isinstance(layer, keras.layers.Layer):
        return call
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(call)
