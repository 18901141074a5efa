"""Where a number stands on its range, and that everything that varies settings goes by it."""

import itertools

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.oracles.genome.decision import plan_of
from kerasnas.oracles.genome.encoding import Encoding

LOG = keras_tuner.HyperParameters()
LOG.Int("units", 1, 10_000, sampling="log")


@st.composite
def numbers(draw):
    """An `Int` or a `Float` of any prior, with and without a step."""
    hp = keras_tuner.HyperParameters()
    sampling = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    low = draw(st.integers(1, 1000))
    high = low + draw(st.sampled_from([1, 5, 11, 100, 10**4, 10**9]))
    # The values of a step are listed.
    step = draw(st.sampled_from([None, 2, 3, 10] if high < 10**6 else [None]))
    if draw(st.booleans()):
        hp.Int("n", low, high, step=step, sampling=sampling)
    else:
        hp.Float("n", low / 100, high / 100, step=step, sampling=sampling)
    return hp


def decision(space):
    return plan_of(space)[0][1][0]


def drawn(space, seed, count=2):
    rng = np.random.default_rng(seed)
    return [genome.sample(space, rng)["n"] for _ in range(count)]


seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("sampling", "values"),
    [("log", [1, 10, 100, 1000, 10_000]), ("reverse_log", [1, 9001, 9901, 9991, 10_000])],
)
@pytest.mark.parametrize("step", [None, 10])
@pytest.mark.parametrize("kind", ["Int", "Float"])
def test_decades_are_equally_far_apart(kind, step, sampling, values):
    hp = keras_tuner.HyperParameters()
    getattr(hp, kind)("n", 1, 10_000, step=step, sampling=sampling)
    apart = [
        genome.distance(hp, {"n": first}, {"n": second})
        for first, second in itertools.pairwise(values)
    ]
    assert apart == pytest.approx([0.25] * 4)
    _, *columns = Encoding(hp).encode([{"n": value} for value in values]).T
    assert columns[0] / np.sqrt(2) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


@given(numbers(), seeds)
@settings(max_examples=40)
def test_positions_grow_with_the_values_from_0_to_1_and_lead_back(space, seed):
    one = decision(space)
    low, high = sorted(drawn(space, seed))
    assert 0 <= one.position(low) <= one.position(high) <= 1
    assert (one.position(low) == one.position(high)) == (low == high)
    assert one.at_position(one.position(low)) == pytest.approx(low, rel=1e-9)
    assert one.position(one.at_position(0)) == 0
    assert one.position(one.at_position(1)) in (0, 1)


@given(numbers(), seeds)
@settings(max_examples=40)
def test_a_position_becomes_the_nearest_value(space, seed):
    one, rng = decision(space), np.random.default_rng(seed)
    position = float(rng.random())
    value = one.at_position(position)
    assert one.allows(value)
    gap = abs(one.position(value) - position)
    others = [other for other in one.others(value) if other != value]
    assert all(gap <= abs(one.position(other) - position) + 1e-9 for other in others)


@given(numbers(), seeds)
@settings(max_examples=40)
def test_neighbours_of_a_number_are_settings_and_one_of_them_is_near(space, seed):
    one = decision(space)
    here = drawn(space, seed, 1)[0]
    found = genome.neighbours(space, {"n": here})
    assert {"n": here} not in found
    assert all(genome.complete(space, values) == values for values in found)
    if one.is_open:
        gaps = [genome.distance(space, {"n": here}, values) for values in found]
        # No further than a small step, or else the next value.
        steps = [one.at_position(one.position(here) + by / 100) for by in range(-100, 101)]
        beside = min(abs(one.position(step) - one.position(here)) for step in steps if step != here)
        assert min(gaps) <= max(0.03, beside + 1e-9)
        assert len(found) <= 12


@given(numbers(), seeds)
@settings(max_examples=40)
def test_a_changed_number_is_another_and_often_a_near_one(space, seed):
    one, rng = decision(space), np.random.default_rng(seed)
    here = drawn(space, seed, 1)[0]
    if not one.is_open:
        return
    moved = [genome.mutate(space, {"n": here}, rng)["n"] for _ in range(60)]
    assert here not in moved
    assert all(one.allows(value) for value in moved)
    gaps = sorted(abs(one.position(value) - one.position(here)) for value in moved)
    nearest = min(abs(one.position(o) - one.position(here)) for o in one.others(here))
    assert gaps[20] <= max(0.3, nearest + 1e-9)


def test_a_change_of_a_logarithmic_integer_multiplies():
    rng = np.random.default_rng(0)
    moved = [genome.mutate(LOG, {"units": 1000}, rng)["units"] for _ in range(200)]
    factors = np.abs(np.log10(np.array(moved) / 1000))
    assert 0.25 < np.mean(factors < 0.4) < 0.75  # A tenth of four decades, one deviation.
    assert np.mean(np.abs(np.array(moved) - 1000) == 1) < 0.05
    assert 0.35 < np.mean(np.array(moved) < 100) + np.mean(factors < 0.4) < 0.95


def test_a_change_of_a_long_linear_range_moves_by_a_share_of_it():
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 0, 100_000)
    rng = np.random.default_rng(0)
    moves = [abs(genome.mutate(hp, {"units": 500}, rng)["units"] - 500) for _ in range(200)]
    assert np.median(moves) > 1000


def test_neighbours_of_a_logarithmic_integer_are_factors_away():
    found = [values["units"] for values in genome.neighbours(LOG, {"units": 100})]
    assert {40, 83, 120, 251} <= set(found)
    assert 99 not in found


def test_all_values_of_a_long_unordered_choice_are_neighbours():
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", [f"op_{place}" for place in range(30)])
    assert len(genome.neighbours(hp, {"op": "op_3"})) == 29


def test_a_default_that_no_step_reaches_can_be_changed():
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 8, 64, step=8, default=20)
    hp.Float("rate", 0.1, 0.9, step=0.2, default=0.35)
    rng = np.random.default_rng(0)
    values = genome.complete(hp, {})
    for _ in range(50):
        assert genome.mutate(hp, values, rng) != values
    assert decision(hp).position(20) == pytest.approx(12 / 56)
