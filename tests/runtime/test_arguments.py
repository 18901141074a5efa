import re

import numpy as np
import pytest

from kerasnas.runtime.arguments import check_choice, check_integer, check_number


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_integers_in_range_pass(value):
    check_integer("count", value, least=1, most=7)
    check_number("count", value, least=1, most=7)


@pytest.mark.parametrize("value", [0, 8])
def test_integers_out_of_range_are_refused(value):
    said = f"Argument `count` must be an integer from 1 to 7. Received: count={value}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$") as caught:
        check_integer("count", value, least=1, most=7)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("check", [check_integer, check_number])
@pytest.mark.parametrize("value", [True, np.True_, "3", None, [3]])
@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_other_types_are_refused_as_what_either_except_catches(check, value, error):
    with pytest.raises(error, match="Argument `count` must be"):
        check("count", value)


def test_a_fraction_is_no_integer():
    with pytest.raises(TypeError, match="an integer of at least 1"):
        check_integer("count", 2.0, least=1)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), 1])
def test_numbers_in_range_pass(value):
    check_number("keep", value, above=0, most=1)


@pytest.mark.parametrize("value", [0, -1.0, 1.5, float("nan"), float("inf"), np.float64("nan")])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match="`keep` must be a number above 0 and at most 1"):
        check_number("keep", value, above=0, most=1)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_numbers_are_finite_without_a_range(value):
    with pytest.raises(ValueError, match="`shift` must be a number"):
        check_number("shift", value)


def test_none_passes_where_it_may():
    check_integer("seed", None, least=0, optional=True)
    check_number("limit", None, optional=True)
    with pytest.raises(ValueError, match="of at least 0, or None"):
        check_integer("seed", -1, least=0, optional=True)


def test_the_message_says_what_it_is_and_helps():
    with pytest.raises(ValueError, match=r"a number of seconds above 0, such as 60\. Received"):
        check_number("timeout", 0, what="a number of seconds", above=0, hint=", such as 60")


def test_a_value_must_be_among_the_choices():
    check_choice("target", "micro", ("litert", "micro"))
    with pytest.raises(ValueError, match="must be 'litert' or 'micro'"):
        check_choice("target", 3, ("litert", "micro"))


def test_a_choice_may_be_none_and_have_a_reason():
    check_choice("inputs", None, ("int8",), optional=True)
    with pytest.raises(ValueError, match="`inputs` must be 'int8' or None, for int8 files"):
        check_choice("inputs", "int4", ("int8",), optional=True, hint=", for int8 files")
