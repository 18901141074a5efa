"""How the operations of `keras.ops` along axes enter the graph of costs."""

from typing import Any

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule
from kerasnas.hardware.keras_rules.reading import as_given, axes_of, refused
from kerasnas.keras_models.walk import Call

_REDUCTIONS = {"Amax": "Max", "Amin": "Min", "Max": "Max", "Mean": "Mean", "Min": "Min"}
_REDUCTIONS |= {"Prod": "Prod", "Sum": "Sum"}


@cost_rule(*_REDUCTIONS)
def _reduction(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    kind, axes = _REDUCTIONS[type(operation).__name__], axes_of(call, operation.axis)
    rank = len(call.inputs[0].shape)
    if getattr(operation, "initial", None) is not None:
        raise refused(call, f"initial={operation.initial}", "leave it out")
    if rank in (3, 4) and axes == tuple(range(1, rank - 1)) and kind in ("Max", "Mean"):
        kind = "Max" if kind == "Max" else "Average"
        return graph.add(f"Global{kind}Pooling{rank - 2}D", operation.name, inputs, shape)
    return graph.add(kind, operation.name, inputs, shape, config=(axes,))


@cost_rule("Std", "Var")
def _variance(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    axes = axes_of(call, call.operation.axis)
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


@cost_rule("Argmax", "Argmin")
def _place(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    kind, axis = type(operation).__name__, as_given(call, operation.axis)
    (place,) = axes_of(call, axis)
    source = graph.nodes[inputs[0]].shape
    without = (*source[: place - 1], *source[place:])
    index = graph.add(kind, operation.name, inputs, without, config=(axis,))
    if not operation.keepdims:
        return index
    return graph.add("Reshape", f"{operation.name}/keepdims", [index], shape)


@cost_rule("Cumsum")
def _cumulative(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    if call.outputs[0].dtype != call.inputs[0].dtype:
        raise refused(call, f"dtype={operation.dtype!r}", "leave it out")
    config = (as_given(call, operation.axis),)
    return graph.add("Cumsum", operation.name, inputs, shape, config=config)


@cost_rule("Normalize")
def _normalize(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    if operation.order not in (1, 2):
        raise refused(call, f"order={operation.order}", "use order=2 or order=1")
    axes_of(call, operation.axis)
    config = (as_given(call, operation.axis), operation.order)
    return graph.add("Normalize", operation.name, inputs, shape, config=config)


@cost_rule("Logsumexp")
def _log_sum_exp(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    operation: Any = call.operation
    config = (as_given(call, operation.axis), operation.keepdims)
    return graph.add("Logsumexp", operation.name, inputs, shape, config=config)


@cost_rule("Softmax")
def _softmax(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if not isinstance(layer.axis, (list, tuple)) or len(layer.axis) == 1:
        (axis,) = axes_of(call, layer.axis)
        config = ("softmax",) if axis == len(shape) else ("softmax", axis - 1)
        return graph.add("Activation", layer.name, inputs, shape, config=config)
    axes = as_given(call, layer.axis)
    kept = tuple(1 if i in axes_of(call, axes) else n for i, n in enumerate(shape, 1))
    index = graph.add("Logsumexp", f"{layer.name}/sum", inputs, kept, config=(axes, True))
    both = [inputs[0], index]
    index = graph.add("Subtract", f"{layer.name}/difference", both, shape)
    config = ("exponential",)
    return graph.add("Activation", layer.name, [index], shape, config=config)
