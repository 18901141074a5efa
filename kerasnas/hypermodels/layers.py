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
    """Applies a `Conv2D` to an image, a `Conv1D` to a sequence, with "same" padding.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels) or
            (batch, length, channels).
        filters: Channels of the output.
        kernel_size: Size of the kernel along each axis, in positions.
        name: Name of the layer.
        strides: Every how many positions along each axis one is kept.
        use_bias: Whether it adds a bias to each channel.

    Returns:
        The output, of the type of the input.
    """
    settings: Any = {"strides": strides, "padding": "same", "use_bias": use_bias, "name": name}
    if isinstance(x, Sketch):
        return _of_rank(x, x.conv1d, x.conv2d)(filters, kernel_size, **settings)
    layer = _of_rank(x, keras.layers.Conv1D, keras.layers.Conv2D)
    return layer(filters, kernel_size, **settings)(x)


def depthwise_conv(
    x: Tensor, kernel_size: int, *, name: str, strides: int = 1, use_bias: bool = True
) -> Tensor:
    """Applies a `DepthwiseConv2D` to an image, a `DepthwiseConv1D` to a sequence, "same" padded.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels) or
            (batch, length, channels).
        kernel_size: Size of the kernel along each axis, in positions.
        name: Name of the layer.
        strides: Every how many positions along each axis one is kept.
        use_bias: Whether it adds a bias to each channel.

    Returns:
        The output, of the type of the input.
    """
    settings: Any = {"strides": strides, "padding": "same", "use_bias": use_bias, "name": name}
    if isinstance(x, Sketch):
        return _of_rank(x, x.depthwise_conv1d, x.depthwise_conv2d)(kernel_size, **settings)
    layer = _of_rank(x, keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    return layer(kernel_size, **settings)(x)


def dense(x: Tensor, units: int, *, name: str, use_bias: bool = True) -> Tensor:
    """Applies a `Dense` layer to the last axis.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        units: Size of the last axis of the output.
        name: Name of the layer.
        use_bias: Whether it adds a bias to each unit.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        return x.dense(units, use_bias=use_bias, name=name)
    return keras.layers.Dense(units, use_bias=use_bias, name=name)(x)


def normalize(x: Tensor, normalization: str, *, name: str) -> Tensor:
    """Applies a `BatchNormalization` to the last axis.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        normalization: "batch"; "none" returns `x` as it is.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    if normalization == "none":
        return x
    if isinstance(x, Sketch):
        return x.batch_normalization(name=name)
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name=name)(x)


def activate(x: Tensor, function: str, *, name: str) -> Tensor:
    """Applies an activation.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        function: Name of a Keras activation; "none" and "linear" return `x` as it is.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    if function in ("none", "linear"):
        return x
    if isinstance(x, Sketch):
        return x.activation(function, name=name)
    if function in ("relu", "relu6"):
        return keras.layers.ReLU(max_value=6.0 if function == "relu6" else None, name=name)(x)
    return keras.layers.Activation(function, name=name)(x)


def max_pooling(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """Applies a `MaxPooling2D` to an image, a `MaxPooling1D` to a sequence, "same" padded.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels) or
            (batch, length, channels).
        pool_size: Size of the window along each axis, in positions.
        name: Name of the layer.
        strides: Every how many positions along each axis one is kept.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        return _of_rank(x, x.max_pooling1d, x.max_pooling2d)(pool_size, strides=strides, name=name)
    layer = _of_rank(x, keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
    return layer(pool_size, strides=strides, padding="same", name=name)(x)


def average_pooling(x: Tensor, pool_size: int, *, name: str, strides: int = 1) -> Tensor:
    """Applies an `AveragePooling2D` to an image, `AveragePooling1D` to a sequence, "same" padded.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels) or
            (batch, length, channels).
        pool_size: Size of the window along each axis, in positions.
        name: Name of the layer.
        strides: Every how many positions along each axis one is kept.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        method = _of_rank(x, x.average_pooling1d, x.average_pooling2d)
        return method(pool_size, strides=strides, name=name)
    layer = _of_rank(x, keras.layers.AveragePooling1D, keras.layers.AveragePooling2D)
    return layer(pool_size, strides=strides, padding="same", name=name)(x)


def global_average_pooling(x: Tensor, *, name: str, keepdims: bool = False) -> Tensor:
    """Averages each channel over an image or a sequence (`GlobalAveragePooling2D`, `1D`).

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels) or
            (batch, length, channels).
        name: Name of the layer.
        keepdims: Whether the averaged axes stay, with size 1.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        method = _of_rank(x, x.global_average_pooling1d, x.global_average_pooling2d)
        return method(keepdims=keepdims, name=name)
    layer = _of_rank(x, keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D)
    return layer(keepdims=keepdims, name=name)(x)


def flatten(x: Tensor, *, name: str) -> Tensor:
    """Applies a `Flatten`: one axis beside the batch remains.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        return x.flatten(name=name)
    return keras.layers.Flatten(name=name)(x)


def dropout(x: Tensor, rate: float, *, name: str) -> Tensor:
    """Applies a `Dropout`, which acts in training only.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        rate: Share of the values that become zero, at least 0 and below 1.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        return x.dropout(rate, name=name)
    return keras.layers.Dropout(rate, name=name)(x)


def add(tensors: Sequence[Tensor], *, name: str) -> Tensor:
    """Adds tensors of one shape by an `Add`.

    Args:
        tensors: Two Keras tensors or sketches, or more; one alone is returned as it is.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    first, *others = tensors
    if not others:
        return first
    if isinstance(first, Sketch):
        return first.add(others, name=name)
    return keras.layers.Add(name=name)(list(tensors))


def multiply(x: Tensor, other: Tensor, *, name: str) -> Tensor:
    """Multiplies two tensors value by value (`Multiply`).

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        other: The same, of the shape of `x` or with axes of size 1 in its place.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    if isinstance(x, Sketch):
        return x.multiply(other, name=name)
    return keras.layers.Multiply(name=name)([x, other])


def concatenate(tensors: Sequence[Tensor], *, name: str) -> Tensor:
    """Joins tensors along the last axis by a `Concatenate`.

    Args:
        tensors: Two Keras tensors or sketches, or more; one alone is returned as it is.
        name: Name of the layer.

    Returns:
        The output, of the type of the input.
    """
    first, *others = tensors
    if not others:
        return first
    if isinstance(first, Sketch):
        return first.concatenate(others, name=name)
    return keras.layers.Concatenate(name=name)(list(tensors))


def apply(x: Tensor, layer: keras.layers.Layer) -> Tensor:
    """Applies any Keras layer of one input whose cost `kerasnas.profile` knows.

    Args:
        x: Keras tensor or `kerasnas.hardware.Sketch` of any shape.
        layer: The layer, new for every call.

    Returns:
        The output, of the type of the input.
    """
    return x.apply(layer) if isinstance(x, Sketch) else layer(x)


def shape_of(x: Tensor) -> tuple[int, ...]:
    """Returns the shape of a Keras tensor or a sketch, without the batch."""
    return x.shape if isinstance(x, Sketch) else tuple(x.shape[1:])


def _of_rank(x: Tensor, of_sequences: Any, of_images: Any) -> Any:
    return of_sequences if len(shape_of(x)) == 2 else of_images
