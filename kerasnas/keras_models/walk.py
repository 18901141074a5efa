"""Reads a built Keras 3 model as one flat list of calls.

Keras keeps the graph of a Functional model in private attributes. They are touched in this file
only; read in keras 3.15.1 (`src/ops/function.py`, `src/ops/node.py`,
`src/models/functional.py`, `src/models/sequential.py`, `src/backend/common/masking.py`).
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend import get_keras_mask
from keras.src.models.functional import Functional


@dataclass(frozen=True)
class Call:
    """One call of an operation in a model's graph.

    A shared layer has several calls, each with the same `operation`. Tensors are the same when
    they are the same object: compare them by `id(tensor)`.

    Args:
        operation: The layer or `keras.ops` operation that is called.
        args: Positional arguments, a structure of KerasTensors and constants.
        kwargs: Keyword arguments, likewise.
        inputs: Every KerasTensor of `args` and `kwargs`, flat. Empty for an InputLayer.
        outputs: The KerasTensors that the call makes, flat.
    """

    operation: keras.Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]


def walk(model: keras.Model, inline: bool = True) -> list[Call]:
    """Returns the calls of a built Sequential or Functional model in execution order.

    The tensors in `model.inputs` and `model.outputs` are the same objects as those in the calls.

    Args:
        model: Built Keras 3 Sequential or Functional model.
        inline: Bool. Whether nested models are replaced by their own calls, with new tensors for
            each place where the nested model is called and the same layer objects in all of them.

    Returns:
        List of `Call`, InputLayers first among those they feed.

    Raises:
        ValueError: If the model is not a Keras 3 model, has no graph (subclassed) or is not built.

    Example:

    >>> import keras
    >>> from kerasnas.keras_models.walk import walk
    >>> model = keras.Sequential([keras.Input((8, 8, 3), name="image"), keras.layers.Flatten()])
    >>> [type(call.operation).__name__ for call in walk(model)]
    ['InputLayer', 'Flatten']
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras 3 model. Received: {type(model)}")
    graph = _graph(model)
    if graph is None and isinstance(model, keras.Sequential):
        raise ValueError(
            f"`model` must be built: start the Sequential model '{model.name}' with "
            "`keras.Input(shape)` or call `model.build(input_shape)`. Received: an unbuilt model."
        )
    if graph is None:
        raise ValueError(
            "`model` must be a Sequential or Functional model: a subclassed model has no graph to "
            f"read. Received: {type(model).__name__} '{model.name}'"
        )
    calls: list[Call] = []
    _append_calls(graph, {}, calls, inline)
    return calls


# Layers that compute with the masks of their inputs, which are not among their arguments.
_ATTENTION = ("AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention")


def reads_mask(call: Call) -> bool:
    """Returns whether a layer computes with a mask that an Embedding or a Masking layer makes.

    Args:
        call: Call of a layer or an operation.

    Returns:
        True if a mask is among its arguments, or, of attention, among what its inputs carry.
    """
    if call.kwargs.get("mask") is not None:
        return True
    attends = any(kind.__name__ in _ATTENTION for kind in type(call.operation).__mro__)
    return attends and any(map(carries_mask, call.inputs))


def carries_mask(tensor: keras.KerasTensor) -> bool:
    """Returns whether Keras passes the mask of an Embedding or a Masking layer on with a tensor."""
    return get_keras_mask(tensor) is not None


def _graph(operation: keras.Operation) -> Functional | None:
    if isinstance(operation, keras.Sequential):
        return operation._functional
    # A Functional subclass with its own `call` does not run the graph it was made from.
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


def _append_calls(
    graph: Functional, tensors: dict[int, keras.KerasTensor], calls: list[Call], inline: bool
) -> None:
    """Appends the calls of one graph.

    `tensors` maps the id of a tensor of `graph` to the tensor that stands for it in the flat
    graph; tensors that are not in it stand for themselves.
    """
    nested = bool(tensors)

    def flat(tensor: Any) -> Any:
        return tensors.get(id(tensor), tensor)

    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input and nested:
                continue
            operation = node.operation
            args = keras.tree.map_structure(flat, node.arguments.args)
            kwargs = keras.tree.map_structure(flat, node.arguments.kwargs)
            inputs = tuple(flat(tensor) for tensor in node.input_tensors)
            if nested:
                made = _fresh_outputs(node, args, kwargs, inputs)
                for old, new in zip(node.outputs, made, strict=True):
                    tensors.setdefault(id(old), new)
            outputs = tuple(flat(tensor) for tensor in node.outputs)
            inner = _graph(operation) if inline else None
            if inner is None:
                calls.append(Call(operation, args, kwargs, inputs, outputs))
            else:
                _append_nested(inner, args, kwargs, outputs, calls)


def _append_nested(
    graph: Functional,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    outputs: tuple[keras.KerasTensor, ...],
    calls: list[Call],
) -> None:
    fed = _fed_inputs(graph, args, kwargs)
    tensors = {id(inner): outer for inner, outer in zip(graph.inputs, fed, strict=True)}
    passed_through = []
    for inner, outer in zip(graph.outputs, outputs, strict=True):
        if id(inner) in tensors:
            passed_through.append((inner, outer))
        else:
            tensors[id(inner)] = outer
    _append_calls(graph, tensors, calls, inline=True)
    for inner, outer in passed_through:
        # The nested model returns one of its inputs, or one tensor twice: still a tensor of its
        # own in the outer graph.
        source = tensors[id(inner)]
        calls.append(Call(keras.layers.Identity(), (source,), {}, (source,), (outer,)))


def _fed_inputs(
    graph: Functional, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[keras.KerasTensor]:
    given = args[0] if args else kwargs["inputs"]
    if isinstance(given, dict) and not isinstance(graph._inputs_struct, dict):
        given = [given[tensor.name] for tensor in graph.inputs]
    fed = keras.tree.flatten(given)
    for inner, outer in zip(graph.inputs, fed, strict=True):
        if outer is None or len(outer.shape) != len(inner.shape):
            raise ValueError(
                f"The nested model '{graph.name}' must be called on tensors of the rank it was "
                f"made for, {inner.shape}: reshape before the call. "
                f"Received: {None if outer is None else outer.shape}"
            )
    return fed


def _fresh_outputs(
    node: Any, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: tuple[Any, ...]
) -> list[keras.KerasTensor]:
    known = [tensor.shape for tensor in node.input_tensors]
    if known == [tensor.shape for tensor in inputs]:
        return [keras.KerasTensor(t.shape, dtype=t.dtype) for t in node.outputs]
    # The nested model is called on other sizes than it was made for.
    return keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
