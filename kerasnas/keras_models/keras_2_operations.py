"""Finds the operations of keras.ops that do the same as operations of TensorFlow."""

from collections.abc import Callable
from typing import Any

import keras

_BINARY: dict[str, Callable[..., Any]] = {
    "add": keras.ops.add,
    "divide": keras.ops.divide,
    "maximum": keras.ops.maximum,
    "minimum": keras.ops.minimum,
    "mul": keras.ops.multiply,
    "multiply": keras.ops.multiply,
    "sub": keras.ops.subtract,
    "subtract": keras.ops.subtract,
    "truediv": keras.ops.divide,
}
_ALONE = ("abs", "exp", "relu", "relu6", "sigmoid", "sqrt", "square", "tanh")
# Operations with the names of their arguments in keras.ops, other than the tensor.
_UNARY: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "cast": (keras.ops.cast, ("dtype",)),
    "clip_by_value": (keras.ops.clip, ("x_min", "x_max")),
    "concat": (keras.ops.concatenate, ("axis",)),
    "expand_dims": (keras.ops.expand_dims, ("axis",)),
    "reduce_max": (keras.ops.max, ("axis", "keepdims")),
    "reduce_mean": (keras.ops.mean, ("axis", "keepdims")),
    "reduce_sum": (keras.ops.sum, ("axis", "keepdims")),
    "softmax": (keras.ops.softmax, ("axis",)),
    "reshape": (keras.ops.reshape, ("newshape",)),
    "squeeze": (keras.ops.squeeze, ("axis",)),
    "transpose": (keras.ops.transpose, ("axes",)),
    **{name: (getattr(keras.ops, name), ()) for name in _ALONE},
}
# The names that TensorFlow has for these arguments, and for the tensor.
_RENAMED = {
    **dict.fromkeys(("a", "features", "input", "input_tensor", "logits", "t", "tensor"), "x"),
    **{"clip_value_max": "x_max", "clip_value_min": "x_min", "perm": "axes", "shape": "newshape"},
    "values": "x",
}


def operation_of(path: str) -> Callable[..., Any]:
    """Returns the operation of keras.ops that does the same as a TensorFlow operation.

    Args:
        path: Name of the operation as tf_keras keeps it, such as "math.reduce_mean", "nn.relu6" or
            "__operators__.getitem".

    Returns:
        A function that takes the arguments of the TensorFlow operation.

    Raises:
        ValueError: If no operation of keras.ops is known to do the same.
    """
    name = path.rpartition(".")[2]  # from tf.math, tf.nn, tf.compat.v1 or an operator of Python
    if name not in (*_BINARY, *_UNARY, "getitem"):
        raise ValueError(f"tf.{path} has no counterpart here: use a layer")

    def call(*args: Any, **kwargs: Any) -> Any:
        given = {
            _RENAMED.get(key, key): value
            for key, value in kwargs.items()
            if key != "name" and value is not None and value is not False
        }
        values = [*args, *(given.pop(key) for key in ("x", "y") if key in given)]
        if name == "getitem":
            return values[0][_slices(given.get("slice_spec", values[-1]))]
        if name in _BINARY:
            return _BINARY[name](*values)
        function, names = _UNARY[name]
        return function(values[0], **dict(zip(names, values[1:], strict=False)), **given)

    return call


def _slices(spec: Any) -> Any:
    """Returns slices, which tf_keras has turned into dicts."""

    def made(one: Any) -> Any:
        if isinstance(one, dict):
            return slice(one.get("start"), one.get("stop"), one.get("step"))
        return one

    return tuple(map(made, spec)) if isinstance(spec, list | tuple) else made(spec)
