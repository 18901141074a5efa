"""Operators that are written as text."""

import pytest

from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower
from kerasnas.keras_models.activations import ACTIVATIONS, FUNCTIONS

KNOWN = {name: row.operators for name, row in (ACTIVATIONS | FUNCTIONS).items() if row.operators}


def lowered(x: Sketch, function: str):
    end = x.activation(function, name="it")
    end.graph.outputs = (end.index,)
    return lower(end.graph, "float32")


# The relu6 of a hard_sigmoid is fused into the sum before it.
@pytest.mark.parametrize("function", sorted({*KNOWN} - {"hard_sigmoid"}))
def test_a_function_becomes_the_operators_that_are_written_of_it(function):
    program = lowered(Sketch.input((6, 8)), function)
    kinds = [step.split()[0] for step in KNOWN[function].split(";")]
    halves = ["SPLIT"] if "second" in KNOWN[function] else []
    assert [operator.kind for operator in program.operators] == halves + kinds
    (output,) = program.outputs
    assert program.activations[output] == ((6, 4) if halves else (6, 8))


def test_equal_constants_are_one():
    program = lowered(Sketch.input((6, 8)), "sparse_plus")
    constants = [constant for _, constant in program.constants()]
    assert len(constants) == len({*constants})


def test_what_the_operator_before_can_take_is_folded_into_it():
    assert [o.kind for o in lowered(Sketch.input((6, 8)), "hard_sigmoid").operators] == [
        "ADD",
        "MUL",
    ]
    x = Sketch.input((8, 8, 3)).conv2d(4, 3, name="conv")
    assert [o.kind for o in lowered(x, "hard_sigmoid").operators] == ["CONV_2D", "MUL"]


def test_nothing_is_written_of_a_linear_activation():
    assert lowered(Sketch.input((6, 8)), "linear").operators == []
