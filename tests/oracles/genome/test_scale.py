"""Where a number stands on its range, under the prior that it was declared with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.genome.scale import Scale

SAMPLINGS = st.sampled_from(["linear", "log", "reverse_log"])


@st.composite
def scales(draw):
    low = draw(st.floats(1e-3, 1e3))
    high = low * draw(st.floats(1.1, 1e3))
    return Scale(low, high, draw(SAMPLINGS), low, high)


@pytest.mark.parametrize(
    ("sampling", "middle"), [("linear", 5000.5), ("log", 100), ("reverse_log", 9901)]
)
def test_the_middle_of_each_prior(sampling, middle):
    scale = Scale(1, 10_000, sampling, 1, 10_000)
    assert scale.position(middle) == pytest.approx(0.5)
    assert scale.value(0.5) == pytest.approx(middle)


@given(scales(), st.floats(0, 1))
def test_a_position_leads_to_a_value_and_back(scale, position):
    value = scale.value(position)
    assert scale.first <= value <= scale.last
    # Far from the end that the prior prefers, many positions share a number of 64 bits.
    assert scale.position(value) == pytest.approx(position, abs=1e-6)


@given(scales(), st.floats(0, 1), st.floats(0, 1))
def test_larger_values_stand_further_on(scale, first, second):
    low, high = sorted((first, second))
    assert scale.value(low) <= scale.value(high)
    assert scale.position(scale.value(low)) <= scale.position(scale.value(high)) + 1e-9


@given(scales(), st.floats(1e-6, 1e3))
def test_values_beyond_the_range_stand_at_its_ends(scale, beyond):
    assert scale.position(scale.first - beyond) == 0
    assert scale.position(scale.last + beyond) == 1


def test_ends_that_a_step_does_not_reach_are_no_part_of_the_range():
    """Of 1, 4 and 7 up to 9, the largest is 7."""
    scale = Scale(1, 9, "linear", 1, 7)
    assert scale.position(7) == 1
    assert scale.position(4) == 0.5
    assert scale.value(1.0) == 7
