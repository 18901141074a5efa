"""How the operations of `keras.ops` enter the graph of costs."""

import inspect
from typing import Any

import keras
import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule
from kerasnas.hardware.keras_rules.reading import refusal
from kerasnas.hardware.walk import Call


def _given(call: Call) -> dict[str, Any]:
    """The arguments of a call by name."""
    bound = inspect.signature(call.operation.call).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _refuse(call: Call, what: str, way_out: str = "") -> ValueError:
    kind = type(call.operation).__name__
    own = f"register a rule with kerasnas.hardware.cost_rule({kind!r})"
    return refusal(call.operation, what, f"{way_out}, or {own}" if way_out else own)


def _axes(call: Call, axis: Any) -> tuple[int, ...]:
    """Axes counted from the first, the batch's not among them."""
    rank = len(call.inputs[0].shape)
    given = range(rank) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    axes = tuple(sorted(a % rank for a in given))
    if 0 in axes:
        raise _refuse(call, f"axis={axis}, the batch among it", "name the other axes")
    return axes


# --- one value at a time --------------------------------------------------------------------------


# The operations that are an activation, and the setting that they have.
_FUNCTIONS = {
    **{"Absolute": "abs", "Abs": "abs", "Ceil": "ceil", "Cos": "cos", "Exp": "exponential"},
    **{"Expm1": "expm1", "Floor": "floor", "Log": "log", "Log1p": "log1p", "Negative": "negative"},
    **{"Reciprocal": "reciprocal", "Round": "round", "Rsqrt": "rsqrt", "Sign": "sign"},
    **{"Sin": "sin", "Sqrt": "sqrt", "Square": "times_itself", "Gelu": "gelu", "LogicalNot": "not"},
    **{"HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "LogSigmoid": "log_sigmoid"},
    **{"Selu": "selu", "SparsePlus": "sparse_plus", "SparseSigmoid": "sparse_sigmoid"},
    **{"HardTanh": "hard_tanh", "TanhShrink": "tanh_shrink"},
}
# Activations that hold for one value of the setting only.
_SET = {
    "Celu": ("celu", "alpha", 1.0),
    "Glu": ("glu", "axis", -1),
    "HardShrink": ("hard_shrink", "threshold", 0.5),
    "LogSoftmax": ("log_softmax", "axis", -1),
    "SoftShrink": ("soft_shrink", "threshold", 0.5),
    "Squareplus": ("squareplus", "b", 4),
}


@cost_rule(*_FUNCTIONS)
def _function(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = (_FUNCTIONS[type(call.operation).__name__],)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule(*_SET)
def _set_function(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    function, setting, value = _SET[type(call.operation).__name__]
    if getattr(call.operation, setting) != value:
        found = getattr(call.operation, setting)
        raise _refuse(call, f"{setting}={found}", f"use {setting}={value}")
    return graph.add("Activation", call.operation.name, inputs, shape, config=(function,))


@cost_rule("LeakyRelu")
def _leaky(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = ("leaky_relu", float(call.operation.negative_slope))
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("Softmax")
def _softmax(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if len(axes) != 1:
        raise refusal(layer, f"the axes {axes}", "one of one axis after a Reshape does the same")
    axis = axes[0] % (len(shape) + 1) - 1
    config = ("softmax",) if axis == len(shape) - 1 else ("softmax", axis)
    return graph.add("Activation", layer.name, inputs, shape, config=config)


@cost_rule("Clip")
def _clip(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    low, high = call.operation.x_min, call.operation.x_max
    if np.ndim(low) or np.ndim(high):
        raise _refuse(call, "bounds that are no numbers", "use numbers")
    bounds = float(low), float(high)
    config: tuple[object, ...] = ("clip", *bounds)
    if bounds[0] == 0 and bounds[1] >= 0:
        config = ("relu6",) if bounds[1] == 6 else ("relu_cut", bounds[1])
    elif bounds == (-1, 1):
        config = ("hard_tanh",)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("Cast")
def _cast(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    before, after = (call.inputs[0].dtype, call.outputs[0].dtype)
    if before == after:
        return graph.add("Identity", call.operation.name, inputs, shape)
    if after != "float32":
        raise _refuse(call, f"the dtype {after}", "cast to float32")
    if "float" in before:
        return graph.add("Identity", call.operation.name, inputs, shape)
    return graph.add("Cast", call.operation.name, inputs, shape)


# --- two tensors, or a tensor and a number --------------------------------------------------------

_MERGES = ("Add", "Divide", "Maximum", "Minimum", "Multiply", "Subtract", "TrueDivide")
_COMPARISONS = ("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual")


# Layers, and the operations of `keras.ops` that do the same.
@cost_rule(*_MERGES, *_COMPARISONS, "LogicalAnd", "LogicalOr", "SquaredDifference")
def _merge(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    kind, name = type(call.operation).__name__, call.operation.name
    kind = "Divide" if kind == "TrueDivide" else kind
    if isinstance(call.operation, keras.layers.Layer) or len(inputs) > 1:
        return graph.add(kind, name, inputs, shape)
    first, second = _given(call).values()
    tensor_first = isinstance(first, keras.KerasTensor)
    value = np.asarray(second if tensor_first else first, "float32")
    if not np.isfinite(value).all() or (kind == "Divide" and tensor_first and not value.all()):
        raise _refuse(call, f"a result that is not finite for {value}", "use other numbers")
    affine = _affine(kind, value, tensor_first, shape)
    if affine is not None:
        return graph.add("Rescaling", name, inputs, shape, config=affine)
    config = ("constant", value.shape, float(value) if value.ndim == 0 else tensor_first)
    return graph.add(kind, name, inputs, shape, config=config)


def _affine(
    kind: str, value: np.ndarray, tensor_first: bool, shape: Shape
) -> tuple[object, object] | None:
    """The factor and the offset of an operation on a tensor and a constant, if it is that."""
    each = value.ndim and value.size == shape[-1] == value.shape[-1]
    if value.ndim and not each:
        return None
    number = tuple(value.ravel().tolist()) if each else float(value)
    if kind == "Multiply":
        return number, 0.0
    if kind == "Add" or (kind == "Subtract" and tensor_first):
        return 1.0, number
    if kind == "Divide" and tensor_first:
        return (
            (tuple(1 / x for x in number), 0.0) if isinstance(number, tuple) else (1 / number, 0.0)
        )
    if kind == "Subtract" and not each:
        return -1.0, number
    return None


@cost_rule("Power")
def _power(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    given = _given(call)
    if len(inputs) > 1 or np.ndim(given["x2"]) or isinstance(given["x2"], keras.KerasTensor):
        raise _refuse(call, "an exponent that is no number", "use a number")
    function = {2.0: "times_itself", 0.5: "sqrt", 1.0: "linear", -0.5: "rsqrt"}
    config = (function.get(float(given["x2"]), "power"),)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("Where")
def _where(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    given = _given(call)
    values = [given[key] for key in ("x1", "x2") if not isinstance(given[key], keras.KerasTensor)]
    if any(value is None for value in values):
        raise _refuse(call, "a condition alone", "give both values")
    shapes = {tuple(t.shape) for t in call.inputs} | {np.shape(value) for value in values}
    config = (len(shapes) == 1, tuple(np.shape(value) for value in values))
    return graph.add("Where", call.operation.name, inputs, shape, config=config)


@cost_rule("Matmul")
def _matmul(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    if len(inputs) > 1:
        return graph.add("Matmul", call.operation.name, inputs, shape, config=(False, False))
    first, second = _given(call).values()
    if not isinstance(first, keras.KerasTensor) or np.ndim(second) != 2:
        raise _refuse(call, "a constant that is no matrix on the right", "use a Dense layer")
    config = ("constant", np.shape(second))
    return graph.add("Matmul", call.operation.name, inputs, shape, config=config)


# --- reductions -----------------------------------------------------------------------------------

_REDUCTIONS = {"Amax": "Max", "Amin": "Min", "Max": "Max", "Mean": "Mean", "Min": "Min"}
_REDUCTIONS |= {"Prod": "Prod", "Sum": "Sum"}


@cost_rule(*_REDUCTIONS)
def _reduction(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    kind, axes = _REDUCTIONS[type(operation).__name__], _axes(call, operation.axis)
    rank = len(call.inputs[0].shape)
    if getattr(operation, "initial", None) is not None:
        raise _refuse(call, f"initial={operation.initial}", "leave it out")
    if rank in (3, 4) and axes == tuple(range(1, rank - 1)) and kind in ("Max", "Mean"):
        kind = "Max" if kind == "Max" else "Average"
        return graph.add(f"Global{kind}Pooling{rank - 2}D", operation.name, inputs, shape)
    return graph.add(kind, operation.name, inputs, shape, config=(axes,))


@cost_rule("Std", "Var")
def _variance(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    axes = _axes(call, call.operation.axis)
    source = tuple(call.inputs[0].shape[1:])
    kept = tuple(1 if axis + 1 in axes else size for axis, size in enumerate(source))
    name, config = call.operation.name, (axes,)
    mean = graph.add("Mean", f"{name}/mean", inputs, kept, config=config)
    both = [inputs[0], mean]
    square = graph.add("SquaredDifference", f"{name}/squared_difference", both, source)
    index = graph.add("Mean", f"{name}/variance", [square], shape, config=config)
    if type(call.operation).__name__ == "Var":
        return index
    return graph.add("Activation", f"{name}/sqrt", [index], shape, config=("sqrt",))


# --- shapes ---------------------------------------------------------------------------------------


@cost_rule("ExpandDims", "Reshape", "Squeeze")
def _reshape(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    return graph.add("Reshape", call.operation.name, inputs, shape)


@cost_rule("Concatenate")
def _concatenate(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    return graph.add("Concatenate", call.operation.name, inputs, shape)


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
        raise _refuse(call, f"a batch at another place, {axes}", "leave the first axis")
    return graph.add("Permute", operation.name, inputs, shape, config=(tuple(axes[1:]),))


@cost_rule("GetItem")
def _get_item(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    key = _given(call)["key"]
    keys = key if isinstance(key, tuple) else (key,)
    if not keys or keys[0] not in (slice(None), Ellipsis):
        raise _refuse(call, f"the key {key!r}, which selects samples", "begin with `:`")
    if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
        raise _refuse(call, f"the key {key!r}", "use numbers and slices")
    rank = len(call.inputs[0].shape)
    missing = rank - sum(k is not None and k is not Ellipsis for k in keys)
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = (*keys[:at], *[slice(None)] * missing, *keys[at + 1 :])
    source = iter(call.inputs[0].shape)
    widened = [1 if k is None else next(source) for k in keys]
    config = (
        tuple(widened[1:]),
        *(_slice(k, n) for k, n in zip(keys, [1, *widened[1:]], strict=True)),
    )
    return graph.add("GetItem", call.operation.name, inputs, shape, config=config)


def _slice(key: int | slice | None, size: int) -> tuple[int, int, int]:
    """Begin, end and stride of a slice of so many values."""
    if isinstance(key, int):
        return key, key + 1, 1
    return (0, size, 1) if key is None else slice(key.start, key.stop, key.step).indices(size)


@cost_rule("Pad")
def _pad(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation, rank = call.operation, len(call.inputs[0].shape)
    width = np.broadcast_to(operation.pad_width, (rank, 2)).tolist()
    value = _given(call)["constant_values"]
    if any(width[0]):
        raise _refuse(call, f"pad_width={width}, which adds samples", "leave the first axis")
    if operation.mode not in ("constant", "reflect", "symmetric"):
        raise _refuse(call, f"mode={operation.mode!r}", "use 'constant' or 'reflect'")
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
    _axes(call, operation.axis)
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
        raise _refuse(call, "axis=0, the batch", "stack along another axis")
    config = (call.operation.axis,)
    return graph.add("Stack", call.operation.name, inputs, shape, config=config)


@cost_rule("Tile")
def _tile(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    repeats = np.ravel(call.operation.repeats).tolist()
    if len(repeats) > len(shape) and repeats[0] != 1:
        raise _refuse(call, f"repeats={repeats}, which repeats samples", "begin with 1")
    return graph.add("Tile", call.operation.name, inputs, shape, config=(tuple(repeats),))


@cost_rule("Repeat")
def _repeat(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    if operation.axis is None or np.ndim(operation.repeats):
        raise _refuse(
            call, f"repeats={operation.repeats}, axis={operation.axis}", "use one of each"
        )
    (axis,) = _axes(call, operation.axis)
    source = list(call.inputs[0].shape[1:])
    one = (*source[:axis], 1, *source[axis:])
    many = (*source[:axis], operation.repeats, *source[axis:])
    name, config = operation.name, (axis, operation.repeats)
    index = graph.add("Reshape", f"{name}/one", inputs, one)
    index = graph.add("Tile", name, [index], many, config=config)
    return graph.add("Reshape", f"{name}/many", [index], shape)


@cost_rule("Flip")
def _flip(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    config = _axes(call, call.operation.axis)
    return graph.add("Flip", call.operation.name, inputs, shape, config=config)
