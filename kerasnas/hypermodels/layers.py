"""Layers that work on a Keras tensor and on a `Sketch` alike.

An operation written with these is its own cost function: given a Keras tensor it builds layers,
given a sketch it records what they would cost.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

from kerasnas.hardware.sketch import Sketch

Tensor: TypeAlias = Any  # a KerasTensor or a Sketch

# Of the statistics of batch normalization. Keras's .99 needs 700 steps to forget the initial ones,
# which is several epochs of a small data set; this needs 66.
MOMENTUM = 0.9


def conv(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    use_bias: bool = True,
) -> Tensor:
    """A `Conv2D` on an image, a `Conv1D` on a sequence, with "same" padding."""
    flat = _is_sequence(x)
    if isinstance(x, Sketch):
        method = x.conv1d if flat else x.conv2d
        return method(filters, kernel_size, strides=strides, use_bias=use_bias, name=name)
    layer = keras.layers.Conv1D if flat else keras.layers.Conv2D
    return layer(
        filters, kernel_size, strides=strides, padding="same", use_bias=use_bias, name=name
    )(x)


def depthwise_conv(
    x: Tensor, kernel_size: int, *, name: str, strides: int = 1, use_bias: bool = True
) -> Tensor:
    """A `DepthwiseConv2D` on an image, a `DepthwiseConv1D` on a sequence, with "same" padding."""
    flat = _is_sequence(x)
    if isinstance(x, Sketch):
        method = x.depthwise_conv1d if flat else x.depthwise_conv2d
        return method(kernel_size, strides=strides, use_bias=use_bias, name=name)
    layer = keras.layers.DepthwiseConv1D if flat else keras.layers.DepthwiseConv2D
    return layer(kernel_size, strides=strides, padding="same", use_bias=use_bias, name=name)(x)


def dense(x: Tensor, units: int, *, name: str, use_bias: bool = True) -> Tensor:
    """A `Dense` layer."""
    if isinstance(x, Sketch):
        return x.dense(units, use_bias=use_bias, name=name)
    return keras.layers.Dense(units, use_bias=use_bias, name=name)(x)


def normalize(x: Tensor, normalization: str, *, name: str) -> Tensor:
    """A `BatchNormalization` for "batch", nothing for "none"."""
    if normalization == "none":
        return x
    if isinstance(x, Sketch):
        return x.batch_normalization(name=name)
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name=name)(x)


def activate(x: Tensor, function: str, *, name: str) -> Tensor:
    """An activation by its Keras name; nothing for "none" and "linear"."""
    if function in ("none", "linear"):
        return x
    if isinstance(x, Sketch):
        return x.activation(function, name=name)
    if function in ("relu", "relu6"):
        return keras.layers.ReLU(max_value=6.0 if function == "relu6" else None, name=name)(x)
    return keras.layers.Activation(function, name=name)(x)


def max_pooling(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """A `MaxPooling2D` on an image, a `MaxPooling1D` on a sequence, with "same" padding."""
    flat = _is_sequence(x)
    if isinstance(x, Sketch):
        return (x.max_pooling1d if flat else x.max_pooling2d)(pool_size, strides=strides, name=name)
    layer = keras.layers.MaxPooling1D if flat else keras.layers.MaxPooling2D
    return layer(pool_size, strides=strides, padding="same", name=name)(x)


def average_pooling(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """An `AveragePooling2D` on an image, an `AveragePooling1D` on a sequence, "same" padded."""
    flat = _is_sequence(x)
    if isinstance(x, Sketch):
        method = x.average_pooling1d if flat else x.average_pooling2d
        return method(pool_size, strides=strides, name=name)
    layer = keras.layers.AveragePooling1D if flat else keras.layers.AveragePooling2D
    return layer(pool_size, strides=strides, padding="same", name=name)(x)


def global_average_pooling(x: Tensor, *, name: str, keepdims: bool = False) -> Tensor:
    """A `GlobalAveragePooling2D` on an image, a `GlobalAveragePooling1D` on a sequence."""
    flat = _is_sequence(x)
    if isinstance(x, Sketch):
        method = x.global_average_pooling1d if flat else x.global_average_pooling2d
        return method(keepdims=keepdims, name=name)
    layer = keras.layers.GlobalAveragePooling1D if flat else keras.layers.GlobalAveragePooling2D
    return layer(keepdims=keepdims, name=name)(x)


def flatten(x: Tensor, *, name: str) -> Tensor:
    """A `Flatten`."""
    if isinstance(x, Sketch):
        return x.flatten(name=name)
    return keras.layers.Flatten(name=name)(x)


def dropout(x: Tensor, rate: float, *, name: str) -> Tensor:
    """A `Dropout`."""
    if isinstance(x, Sketch):
        return x.dropout(rate, name=name)
    return keras.layers.Dropout(rate, name=name)(x)


def add(tensors: Sequence[Tensor], *, name: str) -> Tensor:
    """An `Add` of two tensors or more; one alone is returned as it is."""
    first, *others = tensors
    if not others:
        return first
    if isinstance(first, Sketch):
        return first.add(others, name=name)
    return keras.layers.Add(name=name)(list(tensors))


def multiply(x: Tensor, other: Tensor, *, name: str) -> Tensor:
    """A `Multiply` of a tensor and another of its shape, or with axes of length one."""
    if isinstance(x, Sketch):
        return x.multiply(other, name=name)
    return keras.layers.Multiply(name=name)([x, other])


def concatenate(tensors: Sequence[Tensor], *, name: str) -> Tensor:
    """A `Concatenate` of two tensors or more on the last axis; one alone is returned as it is."""
    first, *others = tensors
    if not others:
        return first
    if isinstance(first, Sketch):
        return first.concatenate(others, name=name)
    return keras.layers.Concatenate(name=name)(list(tensors))


def apply(x: Tensor, layer: keras.layers.Layer) -> Tensor:
    """Any Keras layer of one input, whose cost is known."""
    return x.apply(layer) if isinstance(x, Sketch) else layer(x)


def shape_of(x: Tensor) -> tuple[int, ...]:
    """Shape of a tensor without the batch."""
    return x.shape if isinstance(x, Sketch) else tuple(x.shape[1:])


def _is_sequence(x: Tensor) -> bool:
    """Whether a tensor is a sequence of shape (length, channels), not an image."""
    return len(shape_of(x)) == 2
