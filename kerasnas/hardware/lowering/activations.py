"""What the converter makes of activations and of operations on one value at a time."""

from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.program import integers, without_ones
from kerasnas.hardware.lowering.tape import Tape
from kerasnas.hardware.lowering.written import append_written
from kerasnas.hardware.without_costs import REASONS
from kerasnas.keras_models.activations import ACTIVATIONS, FUNCTIONS


@lowers("Activation")
def _activation(to: Tape, node: Node, reads: list[int]) -> int:
    function = str(node.config[0])
    if function == "softmax" and len(node.config) > 1:
        return _softmax(to, node, reads[0])
    found = ACTIVATIONS.get(function) or FUNCTIONS.get(function)
    if found is None or found.operators is None:
        reason = REASONS.get(function.capitalize())
        raise ValueError(
            f"Activation {function!r} of layer {node.name!r} has no cost rule"
            f"{f', as {reason}' if reason else ''}. Use one of "
            f"{', '.join(name for name, row in ACTIVATIONS.items() if row.operators is not None)}"
        )
    return append_written(to, reads[0], found.operators)


def _softmax(to: Tape, node: Node, x: int) -> int:
    """Appends a softmax: along another axis than the last one, between two transpositions."""
    shape, axis = node.shape, cast("int", node.config[1])
    moved = (*shape[:axis], shape[-1], *shape[axis + 1 : -1], shape[axis])

    def transposed(x: int, shape: Shape, places: Shape) -> int:
        if without_ones(to.shapes[x]) == without_ones(shape):
            return to.reshape(x, shape)
        places = (0, *places)
        return to.operator("TRANSPOSE", [x], shape, [integers(*places)])

    # The axis and the last one are exchanged.
    places = [*range(1, len(shape) + 1)]
    places[axis], places[-1] = places[-1], places[axis]
    x = to.operator("SOFTMAX", [transposed(x, moved, tuple(places))], moved)
    return transposed(x, shape, tuple(places))
