"""How the operations of `keras.ops` on single values, and on pairs, enter the graph of costs."""

import keras
import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule
from kerasnas.hardware.keras_rules.reading import arguments, refused
from kerasnas.keras_models.activations import ACTIVATIONS, FUNCTIONS, by_operation
from kerasnas.keras_models.traits import names
from kerasnas.keras_models.walk import Call

# --- one value at a time --------------------------------------------------------------------------


# The operations that are a function of the tables, unless they have a rule of their own.
_WITH_A_RULE = ("Elu", "LeakyRelu", "Softmax")
_FUNCTIONS = {
    operation: (name, function)
    for operation, name, function in by_operation(ACTIVATIONS | FUNCTIONS)
    if function.operators is not None and operation not in _WITH_A_RULE
}


@cost_rule(*_FUNCTIONS)
def _function(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    name, function = _FUNCTIONS[type(call.operation).__name__]
    for setting, value in function.only.items():
        found = getattr(call.operation, setting)
        if found != value:
            raise refused(call, f"{setting}={found}", f"use {setting}={value}")
    return graph.add("Activation", call.operation.name, inputs, shape, config=(name,))


@cost_rule("Clip")
def _clip(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    low, high = call.operation.x_min, call.operation.x_max
    if np.ndim(low) or np.ndim(high):
        raise refused(call, "bounds that are no numbers", "use numbers")
    bounds = float(low), float(high)
    config: tuple[object, ...] = ("clip", *bounds)
    if bounds[0] == 0 and bounds[1] >= 0:
        config = ("relu6",) if bounds[1] == 6 else ("relu_cut", bounds[1])
    elif bounds == (-1, 1):
        config = ("hard_tanh",)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("Cast")
def _cast(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    before, after = call.inputs[0].dtype, call.outputs[0].dtype
    if after not in (before, "float32"):
        raise refused(call, f"the dtype {after}", "cast to float32")
    kind = "Identity" if before == after or "float" in before else "Cast"
    return graph.add(kind, call.operation.name, inputs, shape)


# --- two tensors, or a tensor and a number --------------------------------------------------------


# Layers, and the operations of `keras.ops` that do the same.
@cost_rule(*names(lambda traits: traits.compares or (traits.merges and traits.settings is None)))
def _merge(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    kind, name = type(call.operation).__name__, call.operation.name
    kind = "Divide" if kind == "TrueDivide" else kind
    if isinstance(call.operation, keras.layers.Layer) or len(inputs) > 1:
        return graph.add(kind, name, inputs, shape)
    first, second = arguments(call).values()
    tensor_first = isinstance(first, keras.KerasTensor)
    value = np.asarray(second if tensor_first else first, "float32")
    if not np.isfinite(value).all() or (kind == "Divide" and tensor_first and not value.all()):
        raise refused(call, f"a result that is not finite for {value}", "use other numbers")
    affine = _affine(kind, value, tensor_first, shape)
    if affine is not None:
        return graph.add("Rescaling", name, inputs, shape, config=affine)
    config = ("constant", value.shape, float(value) if value.ndim == 0 else tensor_first)
    return graph.add(kind, name, inputs, shape, config=config)


def _affine(
    kind: str, value: np.ndarray, tensor_first: bool, shape: Shape
) -> tuple[object, object] | None:
    """Returns factor and offset of an operation on a tensor and a constant, or None."""
    each = value.ndim and value.size == shape[-1] == value.shape[-1]
    if value.ndim and not each:
        return None
    number = tuple(value.ravel().tolist()) if each else float(value)
    if kind == "Multiply":
        return number, 0.0
    if kind == "Add" or (kind == "Subtract" and tensor_first):
        return 1.0, number
    if kind == "Divide" and tensor_first:
        return tuple(1 / x for x in number) if isinstance(number, tuple) else 1 / number, 0.0
    if kind == "Subtract" and not each:
        return -1.0, number
    return None


@cost_rule("Power")
def _power(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    given = arguments(call)
    if len(inputs) > 1 or np.ndim(given["x2"]) or isinstance(given["x2"], keras.KerasTensor):
        raise refused(call, "an exponent that is no number", "use a number")
    function = {2.0: "times_itself", 0.5: "sqrt", 1.0: "linear", -0.5: "rsqrt"}
    config = (function.get(float(given["x2"]), "power"),)
    return graph.add("Activation", call.operation.name, inputs, shape, config=config)


@cost_rule("Where")
def _where(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    given = arguments(call)
    values = [given[key] for key in ("x1", "x2") if not isinstance(given[key], keras.KerasTensor)]
    if any(value is None for value in values):
        raise refused(call, "a condition alone", "give both values")
    shapes = {tuple(t.shape) for t in call.inputs} | {np.shape(value) for value in values}
    config = (len(shapes) == 1, tuple(np.shape(value) for value in values))
    return graph.add("Where", call.operation.name, inputs, shape, config=config)


@cost_rule("Matmul")
def _matmul(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    if len(inputs) > 1:
        return graph.add("Matmul", call.operation.name, inputs, shape, config=(False, False))
    first, second = arguments(call).values()
    if not isinstance(first, keras.KerasTensor) or np.ndim(second) != 2:
        raise refused(call, "a constant that is no matrix on the right", "use a Dense layer")
    config = ("constant", np.shape(second))
    return graph.add("Matmul", call.operation.name, inputs, shape, config=config)
