"""What a proposal must pass before it becomes a trial: it is new, and within the budget."""

import math

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal_filter import ProposalFilter, describe, key_of
from kerasnas.runtime.files import CannotWriteError
from kerasnas.testing.search import Violation


def choice(count):
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 1, count)
    return hp


def test_a_setting_that_is_turned_away_counts_once_a_trial(filter_of):
    proposal_filter = filter_of(lambda values: {"ram": Violation(2, 1)})
    for trial in (1, 2):
        proposal_filter.begin()
        for _ in range(5):
            proposal_filter.judge({"units": 1})
            proposal_filter.judge({"units": 2})
        assert proposal_filter.turned_away == 2 * trial
        assert (proposal_filter.asked, proposal_filter.known) == (10, 8)


@given(tried=st.integers(0, 20), refused=st.integers(0, 20), seed=st.integers(0, 2**32))
def test_a_space_is_exhausted_when_all_of_it_is_ruled_out(filter_of, tried, refused, seed):
    space, rng = choice(5), np.random.default_rng(seed)
    proposal_filter = filter_of(lambda values: {"ram": Violation(2, 1)})
    for _ in range(tried):
        proposal_filter.tried.update(
            ["an architecture", *proposal_filter.keys(genome.sample(space, rng))]
        )
    for _ in range(refused):
        proposal_filter.judge(genome.sample(space, rng))
        left = [v for v in genome.enumerate_settings(space) if not proposal_filter.ruled_out(v)]
        assert proposal_filter.exhausted(space, 10) == (not left)
    proposal_filter.begin()
    left = [v for v in genome.enumerate_settings(space) if not proposal_filter.ruled_out(v)]
    assert proposal_filter.exhausted(space, 10) == (not left)


def test_a_large_space_is_not_listed(filter_of):
    proposal_filter = filter_of(None)
    proposal_filter.tried.update(str(number) for number in range(100))
    assert not proposal_filter.exhausted(choice(5), 4)


settings = st.dictionaries(
    st.text("abc", min_size=1), st.one_of(st.integers(), st.floats(0, 1), st.booleans(), st.text())
)


@given(settings)
def test_a_setting_is_named_by_its_values_in_any_order(values):
    assert key_of(dict(reversed(values.items()))) == key_of(values)
    assert key_of({**values, "further": 1}) != key_of(values)


def test_new_fits_repeats_and_what_breaks_the_budget(filter_of):
    proposal_filter = filter_of(
        lambda v: {"flash": Violation(v["units"], 10)} if v["units"] > 10 else {}
    )
    proposal_filter.remember("00", {"units": 8})
    proposal_filter.begin()
    assert proposal_filter.judge({"units": 9}) == 0
    assert proposal_filter.judge({"units": 8}) == math.inf
    assert proposal_filter.judge({"units": 15}) == pytest.approx(0.5)
    assert proposal_filter.judge({"units": 12}) == pytest.approx(0.2)
    assert (proposal_filter.repeats, proposal_filter.turned_away) == (1, 2)
    assert proposal_filter.smallest() == "flash=12 > limit 10"
    ruled_out = [units for units in (8, 9, 12, 15) if proposal_filter.ruled_out({"units": units})]
    assert ruled_out == [8, 12, 15]
    # For the next trial, what broke the budget may be asked again.
    proposal_filter.begin()
    assert not proposal_filter.ruled_out({"units": 12})
    assert proposal_filter.ruled_out({"units": 8})


def test_an_architecture_is_tried_once_whatever_else_differs():
    proposal_filter = ProposalFilter()
    proposal_filter.attach(None, lambda values: str(values["units"]))
    proposal_filter.remember("00", {"units": 8, "rate": 0.1})
    assert proposal_filter.judge({"units": 8, "rate": 0.2}) == math.inf
    assert proposal_filter.judge({"units": 9, "rate": 0.1}) == 0


def test_asking_about_the_budget_alone_counts_nothing(filter_of):
    proposal_filter = filter_of(lambda values: {"ram": Violation(3, 2)})
    assert proposal_filter.excess({"units": 1}) == pytest.approx(0.5)
    assert list(proposal_filter.violations({"units": 1})) == ["ram"]
    assert (proposal_filter.asked, proposal_filter.turned_away) == (0, 0)


def test_the_gate_is_asked_once_until_the_space_grows(filter_of):
    asked = []
    proposal_filter = filter_of(lambda values: asked.append(values) or {})
    for _ in range(3):
        proposal_filter.judge({"units": 1})
    assert len(asked) == 1
    proposal_filter.invalidate_cache()
    proposal_filter.judge({"units": 1})
    assert len(asked) == 2


def test_a_limit_of_zero_and_one_that_rounding_hides_are_broken_too(filter_of):
    found = [
        filter_of(lambda values, v=violation: {"ram": v}).excess({"units": 1})
        for violation in (Violation(3, 0), Violation(2, 2))
    ]
    assert found == [3.0, 1e-9]


def test_an_exception_of_the_gate_lets_the_trial_say_it():
    def broken(values):
        raise ZeroDivisionError

    proposal_filter = ProposalFilter()
    proposal_filter.attach(broken, broken)
    assert proposal_filter.judge({"units": 1}) == 0


@pytest.mark.parametrize("error", [keras_tuner.errors.FatalError("x"), CannotWriteError("x")])
def test_what_would_fail_every_trial_is_raised(filter_of, error):
    def fatal(values):
        raise error

    with pytest.raises(type(error)):
        filter_of(fatal).judge({"units": 1})


def test_violations_are_described():
    violations = {"flash": Violation(70000, 65536), "latency_ms": Violation(12.3456, 10)}
    assert describe(violations) == "flash=70000 > limit 65536, latency_ms=12.35 > limit 10"
