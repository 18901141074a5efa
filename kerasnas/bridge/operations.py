"""Lists the `keras.ops` of a Functional graph that are tf_keras layers of another name.

The others are called as they are by a tf_keras layer (`passthrough.py`).
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.layers import NoCounterpart
from kerasnas.keras_models.activations import ACTIVATIONS, by_operation
from kerasnas.keras_models.walk import Call, carries_mask

# Layers that compute with a mask, while the operations do not see it.
_MASKED = ("GlobalAveragePooling1D", "Softmax")
# An operation becomes a tf_keras class, its config, and what the layer is called on.
AsLayer = tuple[str, dict[str, Any], Any]
# Makes that of the arguments of a call, by name, and the call; None where no layer does the same.
Rule = Callable[[dict[str, Any], Call], AsLayer | None]


def _merge(kind: str) -> Rule:
    def rule(given: dict[str, Any], call: Call) -> AsLayer | None:
        if len(call.inputs) == 2:
            first, second = given["x1"], given["x2"]
            # tf_keras aligns different ranks at the second axis, keras.ops at the last.
            same_rank = len(first.shape) == len(second.shape)
            return (kind, {}, [first, second]) if same_rank else None
        return _scalar_affine(kind, given)

    return rule


def _scalar_affine(kind: str, given: dict[str, Any]) -> AsLayer | None:
    """Returns an operation of one tensor and one number as `scale * x + offset`."""
    first, second = given["x1"], given["x2"]
    tensor_first = isinstance(first, keras.KerasTensor)
    tensor, number = (first, second) if tensor_first else (second, first)
    if np.ndim(number) != 0:
        return None
    number = float(number)
    scale, offset = {
        "Add": (1.0, number),
        "Subtract": (1.0, -number) if tensor_first else (-1.0, number),
        "Multiply": (number, 0.0),
        "Divide": (1.0 / number if number and tensor_first else math.nan, 0.0),
    }.get(kind, (math.nan, math.nan))
    if math.isnan(scale):
        return None
    return "Rescaling", {"scale": scale, "offset": offset}, tensor


def _divide(given: dict[str, Any], call: Call) -> AsLayer | None:
    return _scalar_affine("Divide", given) if len(call.inputs) == 1 else None


def _activation(name: str, options: Mapping[str, Any]) -> Rule:
    """Makes a rule for an operation that is an activation if it has these options."""

    def rule(given: dict[str, Any], call: Call) -> AsLayer | None:
        if any(getattr(call.operation, key) != value for key, value in options.items()):
            return None
        return "Activation", {"activation": name}, given["x"]

    return rule


def _of_one(kind: str, config: Callable[[Any], dict[str, Any]]) -> Rule:
    """Makes a rule for an operation of one tensor, whose settings give the config of the layer."""

    def rule(given: dict[str, Any], call: Call) -> AsLayer | None:
        return kind, config(call.operation), given["x"]

    return rule


def _clip(given: dict[str, Any], call: Call) -> AsLayer | None:
    low, high = call.operation.x_min, call.operation.x_max
    if np.ndim(low) or np.ndim(high) or float(low) != 0 or float(high) < 0:
        return None
    return "ReLU", {"max_value": float(high)}, given["x"]


def _cast(given: dict[str, Any], call: Call) -> AsLayer | None:
    if call.outputs[0].dtype != "float32" or call.inputs[0].dtype == "bool":
        return None
    return "Rescaling", {"scale": 1.0}, call.inputs[0]


def _pad(given: dict[str, Any], call: Call) -> AsLayer | None:
    width, shape = call.operation.pad_width, call.inputs[0].shape
    constant = given["constant_values"]
    if (
        call.operation.mode != "constant"
        or constant not in (None, 0)
        or np.shape(width)[-1:] != (2,)
    ):
        return None
    amounts = [tuple(map(int, pair)) for pair in np.broadcast_to(width, (len(shape), 2))]
    if len(shape) not in (3, 4, 5) or any(amounts[0]) or any(amounts[-1]):
        return None
    inner = tuple(amounts[1:-1])
    kind = f"ZeroPadding{len(inner)}D"
    return kind, {"padding": inner[0] if len(inner) == 1 else inner}, call.inputs[0]


def _square(given: dict[str, Any], call: Call) -> AsLayer | None:
    # The converter has an operator for the square, but no 8-bit form of it.
    return "Multiply", {}, [given["x"], given["x"]]


def _power(given: dict[str, Any], call: Call) -> AsLayer | None:
    exponent = given["x2"]
    is_square = len(call.inputs) == 1 and np.ndim(exponent) == 0 and exponent == 2
    return ("Multiply", {}, [given["x1"], given["x1"]]) if is_square else None


def _concatenate(given: dict[str, Any], call: Call) -> AsLayer | None:
    axis = call.operation.axis
    if len(call.inputs) != len(given["xs"]) or axis in (0, -len(call.outputs[0].shape)):
        return None
    return "Concatenate", {"axis": axis}, list(given["xs"])


def _reshape(given: dict[str, Any], call: Call) -> AsLayer | None:
    source, target = call.inputs[0].shape, call.outputs[0].shape
    if None in source[1:] or None in target[1:] or source[0] != target[0]:
        return None
    if math.prod(source[1:]) != math.prod(target[1:]):
        return None  # it would move values from one sample into another
    return "Reshape", {"target_shape": tuple(target[1:])}, call.inputs[0]


def _transpose(given: dict[str, Any], call: Call) -> AsLayer | None:
    axes = call.operation.axes
    if axes is None or axes[0] != 0:
        return None
    return "Permute", {"dims": tuple(axes[1:])}, call.inputs[0]


def _global_pooling(kind: str) -> Rule:
    def rule(given: dict[str, Any], call: Call) -> AsLayer | None:
        if getattr(call.operation, "initial", None) is not None:
            return None
        rank = len(call.inputs[0].shape)
        axis = call.operation.axis
        axes = sorted(a % rank for a in ([axis] if isinstance(axis, int) else axis or []))
        if rank not in (3, 4) or axes != list(range(1, rank - 1)):
            return None
        config = {"keepdims": bool(call.operation.keepdims)}
        return f"Global{kind}Pooling{rank - 2}D", config, call.inputs[0]

    return rule


OPERATIONS: dict[str, Rule] = {
    **{
        operation: _activation(name, function.only)
        for operation, name, function in by_operation(ACTIVATIONS)
    },
    "Add": _merge("Add"),
    "Subtract": _merge("Subtract"),
    "Multiply": _merge("Multiply"),
    "Maximum": _merge("Maximum"),
    "Minimum": _merge("Minimum"),
    "Divide": _divide,
    "TrueDivide": _divide,
    "Elu": _of_one("ELU", lambda elu: {"alpha": float(elu.alpha)}),
    "Gelu": _of_one(
        "Activation", lambda gelu: {"activation": "gelu_tanh" if gelu.approximate else "gelu"}
    ),
    "Clip": _clip,
    "LeakyRelu": _of_one("LeakyReLU", lambda leaky: {"alpha": float(leaky.negative_slope)}),
    "Cast": _cast,
    "Power": _power,
    "Square": _square,
    "Pad": _pad,
    "Relu6": _of_one("ReLU", lambda _: {"max_value": 6.0}),
    "Softmax": _of_one("Softmax", lambda softmax: {"axis": softmax.axis}),
    "Concatenate": _concatenate,
    "ExpandDims": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Max": _global_pooling("Max"),
    "Mean": _global_pooling("Average"),
}


def as_layer(call: Call) -> AsLayer:
    """Returns the tf_keras layer that does the same as a `keras.ops` call.

    Args:
        call: Call of an operation that is not a layer.

    Returns:
        Tuple of the tf_keras class name, its config and the tensors it is called on.

    Raises:
        NoCounterpart: If there is none.
    """
    made_by_keras = type(call.operation).__module__.startswith("keras.")
    rule = OPERATIONS.get(type(call.operation).__name__) if made_by_keras else None
    found = None
    if rule is not None:
        given = inspect.signature(call.operation.call).bind(*call.args, **call.kwargs)
        given.apply_defaults()
        found = rule(given.arguments, call)
    if found is not None and found[0] in _MASKED and any(map(carries_mask, call.inputs)):
        found = None
    if found is None:
        shapes = ", ".join(str(tensor.shape) for tensor in call.inputs)
        raise NoCounterpart(f"no tf_keras layer does the same on {shapes}")
    return found
