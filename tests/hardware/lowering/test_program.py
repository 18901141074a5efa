"""The operators and tensors of a lowered network."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower
from kerasnas.hardware.lowering.program import integers, number, scalar, without_ones


def lowered(dtype: str = "int8"):
    x = Sketch.input((8, 8, 3)).conv2d(4, 3, strides=2, name="conv").activation("elu", name="elu")
    end = x.flatten(name="flatten").dense(5, name="dense")
    end.graph.outputs = (end.index,)
    return lower(end.graph, dtype)


@given(st.lists(st.integers(1, 4), max_size=5))
def test_axes_of_length_one_hold_no_values(shape):
    short = without_ones(tuple(shape))
    assert math.prod(short) == math.prod(shape)
    assert 1 not in short


@given(st.lists(st.integers(-9, 9), max_size=4), st.floats(0.1, 9))
def test_equal_constants_are_one_where_the_file_has_them_once(values, value):
    assert integers(*values) == integers(*values)
    assert number(value) == number(value)
    assert number(value).values == 1


def test_constants_that_one_operator_reads_are_each_counted():
    program = lowered()
    found = [constant for _, constant in program.constants()]
    kernels = [constant.shape for constant in found if constant.role == "weight"]
    assert kernels == [(3, 3, 3, 4), (64, 5)]
    assert scalar().owner is None


@pytest.mark.parametrize(("dtype", "width"), [("int8", 1), ("float32", 4)])
def test_an_activation_takes_the_bytes_of_its_dtype(dtype, width):
    program = lowered(dtype)
    (source,), (output,) = program.inputs, program.outputs
    assert program.activation_bytes(source) == 8 * 8 * 3 * width
    assert program.activation_bytes(output) == 5 * width
    assert program.has_scale(source) == (dtype == "int8")


def test_an_operator_names_its_layer_and_what_it_writes():
    program = lowered()
    assert [operator.layer for operator in program.operators] == ["conv", "elu", "flatten", "dense"]
    assert all(operator.outputs == (operator.writes,) for operator in program.operators)
