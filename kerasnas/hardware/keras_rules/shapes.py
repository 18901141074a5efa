"""How the operations of `keras.ops` that move values enter the graph of costs."""

from typing import Any

import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule
from kerasnas.hardware.keras_rules.reading import arguments, axes_of, refused
from kerasnas.keras_models.walk import Call


@cost_rule("Concatenate", "ExpandDims", "Reshape", "Squeeze")
def _by_shape(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    kind = "Concatenate" if type(call.operation).__name__ == "Concatenate" else "Reshape"
    return graph.add(kind, call.operation.name, inputs, shape)


@cost_rule("Transpose", "Swapaxes", "Moveaxis")
def _transpose(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    axes = list(range(len(call.inputs[0].shape)))
    if type(operation).__name__ == "Transpose":
        axes = list(axes[::-1] if operation.axes is None else operation.axes)
    elif type(operation).__name__ == "Swapaxes":
        i, j = (axis % len(axes) for axis in (operation.axis1, operation.axis2))
        axes[i], axes[j] = axes[j], axes[i]
    else:
        moved = np.ravel(operation.source) % len(axes)
        targets = np.ravel(operation.destination) % len(axes)
        axes = [axis for axis in axes if axis not in moved]
        for target, axis in sorted(zip(targets.tolist(), moved.tolist(), strict=True)):
            axes.insert(target, axis)
    if axes[0] != 0:
        raise refused(call, f"a batch at another place, {axes}", "leave the first axis")
    return graph.add("Permute", operation.name, inputs, shape, config=(tuple(axes[1:]),))


@cost_rule("GetItem")
def _get_item(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    key = arguments(call)["key"]
    keys = key if isinstance(key, tuple) else (key,)
    if not keys or keys[0] not in (slice(None), Ellipsis):
        raise refused(call, f"the key {key!r}, which selects samples", "begin with `:`")
    if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
        raise refused(call, f"the key {key!r}", "use numbers and slices")
    rank = len(call.inputs[0].shape)
    missing = rank - sum(k is not None and k is not Ellipsis for k in keys)
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = (*keys[:at], *[slice(None)] * missing, *keys[at + 1 :])
    source = iter(call.inputs[0].shape)
    widened = [1 if k is None else next(source) for k in keys]
    slices = (_slice(k, n) for k, n in zip(keys, [1, *widened[1:]], strict=True))
    config = (tuple(widened[1:]), *slices)
    return graph.add("GetItem", call.operation.name, inputs, shape, config=config)


def _slice(key: int | slice | None, size: int) -> tuple[int, int, int]:
    """Returns begin, end and stride of a slice along an axis of so many values."""
    if isinstance(key, int):
        return key, key + 1, 1
    return (0, size, 1) if key is None else slice(key.start, key.stop, key.step).indices(size)


@cost_rule("Pad")
def _pad(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation, rank = call.operation, len(call.inputs[0].shape)
    width = np.broadcast_to(operation.pad_width, (rank, 2)).tolist()
    value = arguments(call)["constant_values"]
    if any(width[0]):
        raise refused(call, f"pad_width={width}, which adds samples", "leave the first axis")
    if operation.mode not in ("constant", "reflect", "symmetric"):
        raise refused(call, f"mode={operation.mode!r}", "use 'constant' or 'reflect'")
    inner = tuple(tuple(pair) for pair in width[1:])
    if operation.mode != "constant":
        config: tuple[object, ...] = (inner, "mirror")
    elif value in (None, 0):
        # Zeros around channels are none that a convolution adds itself.
        config = (inner,) if any(inner[-1]) or rank not in (3, 4) else (inner[:-1],)
    else:
        config = (inner, "value")
    kind = "ZeroPadding2D" if len(config) == 1 else "Pad"
    return graph.add(kind, operation.name, inputs, shape, config=config)


@cost_rule("Split", "Unstack")
def _split(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> list[int]:
    operation: Any = call.operation
    kind, name = type(operation).__name__, operation.name
    axes_of(call, operation.axis)
    sizes = kind == "Split" and not isinstance(operation.indices_or_sections, int)
    config = (operation.axis, len(call.outputs), tuple(tuple(t.shape[1:]) for t in call.outputs))
    kind = "SplitAt" if sizes else kind
    whole = graph.add(kind, name, inputs, shape, config=config)
    return [
        graph.add("Part", name, [whole], tensor.shape[1:], config=(number,))
        for number, tensor in enumerate(call.outputs)
    ]


@cost_rule("Stack")
def _stack(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    if call.operation.axis in (0, -len(shape) - 1):
        raise refused(call, "axis=0, the batch", "stack along another axis")
    config = (call.operation.axis,)
    return graph.add("Stack", call.operation.name, inputs, shape, config=config)


@cost_rule("Tile")
def _tile(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    repeats = np.ravel(call.operation.repeats).tolist()
    if len(repeats) > len(shape) and repeats[0] != 1:
        raise refused(call, f"repeats={repeats}, which repeats samples", "begin with 1")
    return graph.add("Tile", call.operation.name, inputs, shape, config=(tuple(repeats),))


@cost_rule("Repeat")
def _repeat(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    if operation.axis is None or np.ndim(operation.repeats):
        what = f"repeats={operation.repeats}, axis={operation.axis}"
        raise refused(call, what, "use one of each")
    (axis,) = axes_of(call, operation.axis)
    source = list(call.inputs[0].shape[1:])
    one = (*source[:axis], 1, *source[axis:])
    many = (*source[:axis], operation.repeats, *source[axis:])
    name, config = operation.name, (axis, operation.repeats)
    index = graph.add("Reshape", f"{name}/one", inputs, one)
    index = graph.add("Tile", name, [index], many, config=config)
    return graph.add("Reshape", f"{name}/many", [index], shape)


@cost_rule("Flip")
def _flip(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = axes_of(call, call.operation.axis)
    return graph.add("Flip", call.operation.name, inputs, shape, config=config)


@cost_rule("Roll")
def _roll(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    axes_of(call, operation.axis)
    axes = [axis % (len(shape) + 1) for axis in np.ravel(operation.axis).tolist()]
    shifts = np.broadcast_to(operation.shift, len(axes)).tolist()
    (index,) = inputs
    for axis, shift in zip(axes, shifts, strict=True):
        moved = shift % shape[axis - 1]
        if moved:
            index = graph.add("Roll", operation.name, [index], shape, config=(axis, moved))
    return index if index != inputs[0] else graph.add("Identity", operation.name, inputs, shape)


@cost_rule("Take")
def _take(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    given = arguments(call)
    if len(inputs) > 1 or isinstance(given["indices"], type(call.inputs[0])):
        raise refused(call, "indices that are computed", "use numbers, or an Embedding")
    (axis,) = axes_of(call, call.operation.axis)
    size = call.inputs[0].shape[axis]
    indices = np.asarray(given["indices"])
    places = tuple(int(i) % size for i in indices.ravel())
    config = (axis, indices.shape, places)
    return graph.add("Take", call.operation.name, inputs, shape, config=config)
