"""Layers that work on a Keras tensor and on a `Sketch` alike.

An operation written with these is its own cost function: given a Keras tensor it builds layers,
given a sketch it records what they would cost.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

from kerasnas.hardware.sketch import Sketch

Tensor: TypeAlias = Any  # a KerasTensor or a Sketch


def conv2d(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    use_bias: bool = True,
) -> Tensor:
    """A `Conv2D` with "same" padding."""
    if isinstance(x, Sketch):
        return x.conv2d(filters, kernel_size, strides=strides, use_bias=use_bias, name=name)
    return keras.layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", use_bias=use_bias, name=name
    )(x)


def depthwise_conv2d(
    x: Tensor, kernel_size: int, *, name: str, strides: int = 1, use_bias: bool = True
) -> Tensor:
    """A `DepthwiseConv2D` with "same" padding."""
    if isinstance(x, Sketch):
        return x.depthwise_conv2d(kernel_size, strides=strides, use_bias=use_bias, name=name)
    return keras.layers.DepthwiseConv2D(
        kernel_size, strides=strides, padding="same", use_bias=use_bias, name=name
    )(x)


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
    return keras.layers.BatchNormalization(name=name)(x)


def activate(x: Tensor, function: str, *, name: str) -> Tensor:
    """An activation by its Keras name; nothing for "none" and "linear"."""
    if function in ("none", "linear"):
        return x
    if isinstance(x, Sketch):
        return x.activation(function, name=name)
    if function in ("relu", "relu6"):
        return keras.layers.ReLU(max_value=6.0 if function == "relu6" else None, name=name)(x)
    return keras.layers.Activation(function, name=name)(x)


def max_pooling2d(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """A `MaxPooling2D` with "same" padding."""
    if isinstance(x, Sketch):
        return x.max_pooling2d(pool_size, strides=strides, name=name)
    return keras.layers.MaxPooling2D(pool_size, strides=strides, padding="same", name=name)(x)


def average_pooling2d(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """An `AveragePooling2D` with "same" padding."""
    if isinstance(x, Sketch):
        return x.average_pooling2d(pool_size, strides=strides, name=name)
    return keras.layers.AveragePooling2D(pool_size, strides=strides, padding="same", name=name)(x)


def global_average_pooling2d(x: Tensor, *, name: str) -> Tensor:
    """A `GlobalAveragePooling2D`."""
    if isinstance(x, Sketch):
        return x.global_average_pooling2d(name=name)
    return keras.layers.GlobalAveragePooling2D(name=name)(x)


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


def concatenate(tensors: Sequence[Tensor], *, name: str) -> Tensor:
    """A `Concatenate` of two tensors or more on the last axis; one alone is returned as it is."""
    first, *others = tensors
    if not others:
        return first
    if isinstance(first, Sketch):
        return first.concatenate(others, name=name)
    return keras.layers.Concatenate(name=name)(list(tensors))


def shape_of(x: Tensor) -> tuple[int, ...]:
    """Shape of a tensor without the batch."""
    return x.shape if isinstance(x, Sketch) else tuple(x.shape[1:])
