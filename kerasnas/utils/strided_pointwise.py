"""1×1 convolutions with strides, trained past a fault of oneDNN.

The gradient of such a convolution of fewer than 16 input channels writes past its workspace where a
batch is odd: the process ends (SIGSEGV, SIGABRT) or hangs, or the gradient is wrong.
`benchmarks/native_crashes.py` shows on which shapes. Subsampling the input first computes the same
without that kernel.

Source: https://github.com/uxlfoundation/oneDNN/issues/6035, open in oneDNN as of TensorFlow 2.21.
"""

import contextlib
import sys
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
    kinds = (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    )
    return [
        layer
        for layer in layers
        if isinstance(layer, kinds) and _pointwise(layer) and layer.filters < _BLOCK
    ]


def _pointwise(layer: Any) -> bool:
    return set(layer.kernel_size) == {1} and max(layer.strides) > 1


def _is_dangerous(layer: Any) -> bool:
    return (
        _is_convolution(layer)
        and _pointwise(layer)
        and not (layer.built and layer.kernel.shape[-2] >= _BLOCK)
    )


def _is_convolution(layer: Any) -> bool:
    for library in (keras, sys.modules.get("tf_keras")):
        if library is None:
            continue
        kinds = library.layers
        transposed = (kinds.Conv1DTranspose, kinds.Conv2DTranspose, kinds.Conv3DTranspose)
        # In tf_keras a transposed convolution is one of the others.
        if isinstance(layer, (kinds.Conv1D, kinds.Conv2D, kinds.Conv3D)):
            return not isinstance(layer, transposed)
    return False


def _subsampling(layer: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    strides = layer.strides
    steps = [slice(None, None, stride) for stride in strides]
    whole = slice(None)
    first = layer.data_format == "channels_first"
    picked = (whole, whole, *steps) if first else (whole, *steps, whole)

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.kernel.shape[-2] >= _BLOCK:  # Known only once the layer is built.
            return original(inputs, *args, **kwargs)
        layer.strides = (1,) * len(strides)
        try:
            return original(inputs[picked], *args, **kwargs)
        finally:
            layer.strides = strides

    if isinstance(layer, keras.layers.Layer):
        return call
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(call)
