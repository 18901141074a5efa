"""What the rules read from a layer: its weights, its activation, and why it has no cost."""

import inspect
from typing import Any

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.keras_models.walk import Call


def weights_of(layer: Any) -> list[Shape]:
    """Returns the shapes of a layer's weights."""
    return [tuple(w.shape) for w in layer.weights]


def activated(graph: Graph, layer: Any, index: int) -> int:
    """Adds the activation that a layer applies itself to what the node `index` makes."""
    if getattr(layer, "activation", None) is None:
        return index
    name = activation_name(layer, layer.activation)
    if name == "linear":
        return index
    shape = graph.nodes[index].shape
    return graph.add("Activation", f"{layer.name}_{name}", [index], shape, config=(name,))


def as_floats(graph: Graph, call: Call, inputs: list[int]) -> list[int]:
    """Returns what a layer reads, with a cast to floats added behind integers."""
    found = []
    for index, tensor in zip(inputs, call.inputs, strict=False):
        if "float" not in str(tensor.dtype):
            name = f"{call.operation.name}/cast"
            index = graph.add("Cast", name, [index], graph.nodes[index].shape)
        found.append(index)
    return found


def activation_name(layer: Any, function: Any) -> str:
    """Returns the name of one of Keras's activations.

    Raises:
        ValueError: It is another function.
    """
    name = getattr(function, "__name__", None)
    if name is None or not str(getattr(function, "__module__", "")).startswith("keras."):
        raise ValueError(
            f"The activation of layer {layer.name!r} has no cost rule: use one of Keras's by its "
            f"name, or a layer of its own behind this one. Received: activation={function!r}"
        )
    return str(name)


def refusal(layer: Any, what: str, way_out: str) -> ValueError:
    """Returns the error for a layer with a setting whose cost is not known."""
    return ValueError(f"Layer {layer.name!r} has {what}, which has no cost rule: {way_out}")


def arguments(call: Call) -> dict[str, Any]:
    """Returns the arguments of a call by name."""
    bound = inspect.signature(call.operation.call).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def refused(call: Call, what: str, way_out: str = "") -> ValueError:
    """Returns the error for an operation whose cost is not known as it is called here."""
    kind = type(call.operation).__name__
    own = f"register a rule with kerasnas.hardware.cost_rule({kind!r})"
    return refusal(call.operation, what, f"{way_out}, or {own}" if way_out else own)


def axes_of(call: Call, axis: Any) -> tuple[int, ...]:
    """Returns the axes counted from the first; that of the batch is refused."""
    rank = len(call.inputs[0].shape)
    given = range(rank) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    axes = tuple(sorted(a % rank for a in given))
    if 0 in axes:
        raise refused(call, f"axis={axis}, the batch among it", "name the other axes")
    return axes


def as_given(call: Call, axis: Any) -> int | tuple[int, ...]:
    """Returns the axes as they were given, as the file has them; the batch's is refused."""
    axes_of(call, axis)
    return tuple(int(a) for a in axis) if isinstance(axis, (list, tuple)) else int(axis)
