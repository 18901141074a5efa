"""Finds input sizes at which a model that leaves some open can be compared with its rebuild.

On a map that is smaller than its window, TensorFlow's kernels read outside of it (values of 1e31
from a depthwise convolution) or end the process (a division by zero in a pooling). So sizes are
judged by the shapes that they lead to, before anything is computed.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from kerasnas.keras_models.walk import Call, walk

# Multiples of 16 can be halved four times and doubled back. The largest sizes are for sequences,
# since the limit on the number of values keeps images and volumes small enough to compute.
_SIZES = (
    *(16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024),
    *(1536, 2048, 4096, 8192, 16384),
)
# How many values all tensors of one sample may have together.
_MOST_VALUES = 2**26
# How many sizes are combined for inputs that do not run with one common size, how many combinations
# are tried, and how many of those that look right are returned.
_FEW, _MOST_MIXED, _MOST_GIVEN = 6, 300, 5

Shape = tuple[int | None, ...]


def input_sizes(model: keras.Model) -> Iterator[list[Shape]]:
    """Returns shapes to try for the inputs of a model, the most useful first.

    With the first, every map of an open size holds the window of its kernel, so that all weights
    take part; with those after it, every map has at least one value.

    Args:
        model: Built Sequential or Functional Keras 3 model.

    Yields:
        One shape for each of `model.inputs`, open in the batch alone: just those of the inputs
        where no other axis is open.
    """
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    axes = [
        (index, axis)
        for index, shape in enumerate(shapes)
        for axis, size in enumerate(shape)
        if axis and size is None
    ]
    if not axes:
        yield shapes
        return
    calls = walk(model)
    # An input may have to fit another one of a fixed size.
    fixed = sorted({size for shape in shapes for size in shape[1:] if size})
    few = (*_SIZES[:_FEW], *fixed)
    of_input = [sorted({index for index, _ in axes}).index(index) for index, _ in axes]
    for candidates in (
        ((size,) * len(axes) for size in (*_SIZES, *fixed)),
        # First one size for each input, then one for each axis.
        ([s[i] for i in of_input] for s in itertools.product(few, repeat=max(of_input) + 1)),
        itertools.product(few, repeat=len(axes)),
    ):
        tried = (
            _with_sizes(shapes, axes, sizes) for sizes in itertools.islice(candidates, _MOST_MIXED)
        )
        yield from itertools.islice(_ranked(model, calls, tried), _MOST_GIVEN)


def _with_sizes(
    shapes: Sequence[Shape], axes: Sequence[tuple[int, int]], sizes: Sequence[int]
) -> list[Shape]:
    filled = [list(shape) for shape in shapes]
    for (index, axis), size in zip(axes, sizes, strict=True):
        filled[index][axis] = size
    return [tuple(shape) for shape in filled]


def _ranked(
    model: keras.Model, calls: Sequence[Call], candidates: Iterable[list[Shape]]
) -> Iterator[list[Shape]]:
    """Yields sizes at which every map holds its window, then others that run, largest first."""
    others = []
    for shapes in candidates:
        found = _tensors(model, calls, shapes)
        if found is None:
            continue
        if all(_holds(call, found) for call in calls):
            yield shapes
        else:
            others.append(shapes)
    yield from reversed(others)


def _tensors(
    model: keras.Model, calls: Sequence[Call], shapes: Sequence[Shape]
) -> dict[int, keras.KerasTensor] | None:
    """Returns the tensors of a model for such inputs, by the id of those that they stand for.

    None if a layer refuses its input, a tensor has no values, or all of them have too many.
    """
    found = {
        id(tensor): keras.KerasTensor(shape, dtype=tensor.dtype)
        for tensor, shape in zip(model.inputs, shapes, strict=True)
    }

    def known(tensor: Any) -> Any:
        return found.get(id(tensor), tensor)

    values = 0
    for call in calls:
        if call.inputs:
            args, kwargs = keras.tree.map_structure(known, (call.args, call.kwargs))
            try:
                made = keras.tree.flatten(_called(call.operation, args, kwargs))
            except Exception:  # A layer may raise anything for an input that does not suit it.
                return None
            found.update((id(old), new) for old, new in zip(call.outputs, made, strict=True))
        for tensor in call.outputs:
            sizes = [size for size in found[id(tensor)].shape[1:] if size is not None]
            values += math.prod(sizes)
            if min(sizes, default=1) < 1 or values > _MOST_VALUES:
                return None
    return found


def _called(operation: keras.Operation, args: Any, kwargs: Any) -> Any:
    if isinstance(operation, keras.layers.Concatenate):
        # The layer itself checks the sizes of its inputs only in `build`.
        return keras.ops.concatenate(keras.tree.flatten((args, kwargs)), operation.axis)
    return operation.compute_output_spec(*args, **kwargs)


def _holds(call: Call, found: dict[int, keras.KerasTensor]) -> bool:
    """Returns whether the input of a call is as large as its window along the open axes."""
    layer = call.operation
    while hasattr(layer, "layer"):  # TimeDistributed and Bidirectional
        layer = layer.layer
    layer = getattr(layer, "cell", layer)
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if not isinstance(window, tuple) or not call.inputs:
        return True
    spread = getattr(layer, "dilation_rate", 1)
    spread = spread if isinstance(spread, tuple) else (spread,) * len(window)
    # The axes of the window are the last ones, before or behind the channels.
    end = None if getattr(layer, "data_format", None) == "channels_first" else -1
    axes = slice((end or 0) - len(window), end)
    original, actual = (x.shape[axes] for x in (call.inputs[0], found[id(call.inputs[0])]))
    return all(
        was is not None or now is None or now >= (size - 1) * step + 1
        for was, now, size, step in zip(original, actual, window, spread, strict=True)
    )
