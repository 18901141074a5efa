"""Appends operators that are written as text, in `keras_models/activations.py` and for a layer."""

import collections
import fractions
import functools
from collections.abc import Mapping

from kerasnas.hardware.lowering.folding import activation, affine
from kerasnas.hardware.lowering.program import Constant, integers, number
from kerasnas.hardware.lowering.tape import Tape

# Operators that change places with a reshape before them, or are fused into what is before them.
_MOVING = {"CEIL", "EXP", "FLOOR", "LOGISTIC", "MAXIMUM", "MINIMUM", "NEG", "RELU", "RELU6"}
_MOVING |= {"RELU_N1_TO_1", "ROUND", "SQRT", "SQUARE", "TANH"}
_AFFINE = {"ADD", "MUL", "SUB"}
_HALVES = ("first", "second")


def append_written(to: Tape, x: int, operators: str) -> int:
    """Appends the operators of a function of `x`, written as in `Function.operators`.

    Returns the tensor that the last of them writes; `x` where there are none.
    """
    made: list[int] = []
    written, uses = _parsed(operators)
    known = {"x": x}
    if any(half in uses for half in _HALVES):
        half = (*to.shapes[x][:-1], to.shapes[x][-1] // 2)
        parts = to.several("SPLIT", [x], [half] * 2, [integers(-1)])
        known |= dict(zip(_HALVES, parts, strict=True))
    for kind, *operands in written:
        reads = [known[o] if o in known else made[int(o)] for o in operands if not _is_constant(o)]
        constants = [_constant(o) for o in operands if _is_constant(o)]
        alone = len(reads) == 1 and uses[operands[0]] == 1
        if alone and kind in _AFFINE and constants:
            made.append(affine(to, reads[0], [(kind, constants[0])]))
        elif alone and kind in _MOVING:
            made.append(activation(to, reads[0], kind, constants))
        else:
            made.append(to.operator(kind, reads, to.shapes[reads[0]], constants))
    return made[-1] if made else x


@functools.cache
def _parsed(operators: str) -> tuple[list[list[str]], Mapping[str, int]]:
    """Returns the operators with their operands, and how often each operand is read."""
    written = [step.split() for step in operators.split(";") if step]
    return written, collections.Counter(x for _, *operands in written for x in operands)


def _is_constant(operand: str) -> bool:
    return operand[0] == "=" or operand in ("c", "f")


def _constant(operand: str) -> Constant:
    if operand[0] == "=":
        return number(float(fractions.Fraction(operand[1:])))
    return Constant((), "float" if operand == "f" else "weight")
