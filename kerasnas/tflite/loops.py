"""Counts how often the loops of a `.tflite` file run, if their counters are constants."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasnas.tflite.reader import OperatorRecord, Subgraph, TensorRecord

# A loop is given up after so many operators: far more than any that a converter writes needs.
_MOST_STEPS = 2**20
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": operator.add,
    "EQUAL": operator.eq,
    "GREATER": operator.gt,
    "GREATER_EQUAL": operator.ge,
    "LESS": operator.lt,
    "LESS_EQUAL": operator.le,
    "LOGICAL_AND": operator.and_,
    "LOGICAL_OR": operator.or_,
    "MAXIMUM": max,
    "MINIMUM": min,
    "MUL": operator.mul,
    "NOT_EQUAL": operator.ne,
    "SUB": operator.sub,
}
_DTYPES = {"bool", "int32", "int64"}


def trips(graphs: Sequence[Subgraph], graph: Subgraph, loop: OperatorRecord) -> int | None:
    """Returns how often a loop runs its body.

    Args:
        graphs: All graphs of the file.
        graph: The one that the loop is in.
        loop: A WHILE of it.

    Returns:
        The number of times; None where it depends on more than numbers in the file, or where
        counting takes too long.

    Example:

    >>> import keras, kerasnas as kn
    >>> from kerasnas.tflite.reader import read_tflite
    >>> model = keras.Sequential([keras.Input((6, 8)), keras.layers.GRU(4)])
    >>> graphs = read_tflite(kn.export.to_tflite(model, "float32"))
    >>> [trips(graphs, graphs[0], step) for step in graphs[0].operators if step.kind == "WHILE"]
    [6]
    """
    condition, body = (graphs[index] for index in loop.graphs)
    state = [_value(graph.tensors[index]) if index >= 0 else None for index in loop.inputs]
    steps = len(condition.operators) + len(body.operators) + 1
    for number in range(_MOST_STEPS // steps + 1):
        goes_on = _run(condition, state)
        if not goes_on or goes_on[0] is None:
            return None
        if not goes_on[0]:
            return number
        state = _run(body, state)
    return None


def _run(graph: Subgraph, given: Sequence[int | None]) -> list[int | None]:
    """Returns what a graph computes of single integers, and None for any other value."""
    known = {i: _value(tensor) for i, tensor in enumerate(graph.tensors)}
    known.update(zip(graph.inputs, given, strict=False))
    for step in graph.operators:
        function, values = _FUNCTIONS.get(step.kind), [known.get(i) for i in step.inputs]
        if function is not None and len(values) == 2 and None not in values:
            known[step.outputs[0]] = int(function(*values))
    return [known[index] for index in graph.outputs]


def _value(tensor: TensorRecord) -> int | None:
    """Returns the single integer that a constant holds."""
    if tensor.data is None or tensor.dtype not in _DTYPES or tensor.values != 1:
        return None
    if len(tensor.data) != tensor.nbytes:
        return None
    return int(np.frombuffer(tensor.data, tensor.dtype)[0])
