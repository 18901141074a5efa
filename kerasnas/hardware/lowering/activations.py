"""What the converter makes of activations and of operations on one value at a time."""

import collections
from typing import cast

from kerasnas.hardware.graph import Node, Shape
from kerasnas.hardware.lowering.folding import activation, affine
from kerasnas.hardware.lowering.lowering import lowers
from kerasnas.hardware.lowering.program import Constant, integers, number, without_ones
from kerasnas.hardware.lowering.tape import Tape
from kerasnas.hardware.without_costs import REASONS

# Operators of an activation, in order. "x" is what it reads, a number the output of the operator
# at that place, "=1" the constant 1, of which the file has one, "c" a constant that the layer's
# arguments make, and "f" one that stays in floating point.
_ACTIVATIONS = {
    "celu": "RELU x; MINIMUM x =0; EXP 1; SUB 2 =1; ADD 0 3",
    "elu": "ELU x",
    "exponential": "EXP x",
    "gelu": "GELU x",
    "hard_shrink": "ABS x; GREATER 0 =.5; SELECT_V2 1 x =0",
    "hard_silu": "HARD_SWISH x",
    "hard_swish": "HARD_SWISH x",
    "hard_tanh": "RELU_N1_TO_1 x",
    "leaky_relu": "LEAKY_RELU x",
    "linear": "",
    "log_sigmoid": "NEG x; EXP 0; ADD 1 =1; LOG 2; NEG 3",
    "log_softmax": "LOG_SOFTMAX x",
    "mish": "EXP x; ADD 0 =1; LOG 1; TANH 2; MUL x 3",
    "relu": "RELU x",
    "relu6": "RELU6 x",
    # A relu that is cut at another height than 6.
    "relu_cut": "RELU x; MINIMUM 0 c; RELU 1",
    "selu": "GREATER x =0; MUL x =1.05; EXP x; SUB 2 =1; MUL 3 =1.76; SELECT 0 1 4",
    "sigmoid": "LOGISTIC x",
    "silu": "LOGISTIC x; MUL x 0",
    "soft_shrink": "ABS x; GREATER 0 =.5; SIGN x; MUL 2 =.5; SUB x 3; SELECT_V2 1 4 =0",
    "softmax": "SOFTMAX x",
    "softplus": "EXP x; ADD 0 =1; LOG 1",
    "softsign": "ABS x; ADD 0 =1; DIV x 1",
    "sparse_plus": (
        "LESS x =1; LESS_EQUAL x =-1; ADD x =1; MUL 2 2; MUL 3 =.25; SELECT 0 4 x; SELECT_V2 1 =0 5"
    ),
    "sparse_sigmoid": "ADD x =1; MUL 0 =.5; MINIMUM 1 =1; RELU 2",
    "squareplus": "MUL x x; ADD 0 =4; SQRT 1; ADD x 2; MUL 3 =.5",
    "swish": "LOGISTIC x; MUL x 0",
    "tanh": "TANH x",
    "tanh_shrink": "TANH x; SUB x 0",
}
# The same for operations that are no activation of Keras.
_FUNCTIONS = {
    "abs": "ABS x",
    "ceil": "CEIL x",
    "clip": "MINIMUM x c; MAXIMUM 0 c",
    "cos": "COS x",
    "expm1": "EXP x; SUB 0 =1",
    "floor": "FLOOR x",
    "log": "LOG x",
    "log1p": "ADD x =1; LOG 0",
    "negative": "NEG x",
    "not": "LOGICAL_NOT x",
    "power": "POW x f",
    "reciprocal": "DIV x =1",
    "relu_slope": "NEG x; RELU 0; MUL 1 c; RELU x; MINIMUM 3 c; RELU 4; SUB 5 2",
    "relu_threshold": "GREATER x c; CAST 0; MUL x 1",
    "round": "ROUND x",
    "rsqrt": "RSQRT x",
    "sign": "SIGN x",
    "sin": "SIN x",
    "sqrt": "SQRT x",
    # The exporter has no 8 bits for an operator of its own.
    "times_itself": "MUL x x",
}
# Operators that change places with a reshape before them, or are fused into what is before them.
_MOVING = {"CEIL", "EXP", "FLOOR", "LOGISTIC", "MAXIMUM", "MINIMUM", "NEG", "RELU", "RELU6"}
_MOVING |= {"RELU_N1_TO_1", "ROUND", "SQRT", "SQUARE", "TANH"}
_AFFINE = {"ADD", "MUL", "SUB"}


@lowers("Activation")
def _activation(to: Tape, node: Node, reads: list[int]) -> int:
    function = str(node.config[0])
    if function == "softmax" and len(node.config) > 1:
        return _softmax(to, node, reads[0])
    if function == "hard_sigmoid":
        x = activation(to, affine(to, reads[0], [("ADD", number(3))]), "RELU6")
        return affine(to, x, [("MUL", number(1 / 6))])
    if function == "glu":
        return _gated(to, reads[0])
    steps = _ACTIVATIONS.get(function, _FUNCTIONS.get(function))
    if steps is None:
        reason = REASONS.get(function.capitalize())
        raise ValueError(
            f"Activation {function!r} of layer {node.name!r} has no cost rule"
            f"{f', as {reason}' if reason else ''}. Use one of "
            f"{', '.join(sorted([*_ACTIVATIONS, 'glu', 'hard_sigmoid']))}"
        )
    return _run(to, reads[0], steps)


def _run(to: Tape, x: int, steps: str) -> int:
    """Append operators, written as in the tables."""
    made: list[int] = []
    written = [step.split() for step in steps.split(";") if step]
    uses = collections.Counter(operand for _, *operands in written for operand in operands)
    for kind, *operands in written:
        reads = [x if o == "x" else made[int(o)] for o in operands if o[0] not in "=cf"]
        constants = [_constant(o) for o in operands if o[0] in "=cf"]
        alone = len(reads) == 1 and uses[operands[0]] == 1
        if alone and kind in _AFFINE and constants:
            made.append(affine(to, reads[0], [(kind, constants[0])]))
        elif alone and kind in _MOVING:
            made.append(activation(to, reads[0], kind, constants))
        else:
            made.append(to.operator(kind, reads, to.shape(reads[0]), constants))
    return made[-1] if made else x


def _constant(written: str) -> Constant:
    if written[0] == "=":
        return number(float(written[1:]))
    return Constant((), "float" if written == "f" else "weight")


def _gated(to: Tape, x: int) -> int:
    half = (*to.shape(x)[:-1], to.shape(x)[-1] // 2)
    first, second = to.several("SPLIT", [x], [half] * 2, [integers(-1)])
    second = to.operator("LOGISTIC", [second], half)
    return to.operator("MUL", [first, second], half)


def _softmax(to: Tape, node: Node, x: int) -> int:
    """Along the last axis; along another one after a transposition, and back."""
    shape, axis = node.shape, cast("int", node.config[1])
    moved = (*shape[:axis], shape[-1], *shape[axis + 1 : -1], shape[axis])

    def transposed(x: int, shape: Shape, places: Shape) -> int:
        if without_ones(to.shape(x)) == without_ones(shape):
            return to.reshape(x, shape)
        places = (0, *places)
        return to.operator("TRANSPOSE", [x], shape, [integers(*places)])

    # The axis and the last one are exchanged.
    places = [*range(1, len(shape) + 1)]
    places[axis], places[-1] = places[-1], places[axis]
    x = to.operator("SOFTMAX", [transposed(x, moved, tuple(places))], moved)
    return transposed(x, shape, tuple(places))
