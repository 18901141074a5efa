"""What the trials so far promise of new settings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.predictor import surrogate

losses = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30).map(np.array)


@given(losses)
def test_a_smaller_loss_never_has_a_lower_score(losses):
    for scores in (surrogate.ranks(losses), surrogate.half_ranks(losses)):
        order = np.argsort(losses)
        assert np.isfinite(scores).all()
        assert (np.diff(scores[order]) <= 1e-9).all()


@given(losses)
def test_ranks_know_no_unit(losses):
    np.testing.assert_array_equal(surrogate.ranks(losses * 1024), surrogate.ranks(losses))


def test_the_better_half_is_in_proportion_and_the_worse_half_by_rank():
    scores = surrogate.half_ranks(np.array([0.0, 1.0, 3.0, 4.0, 1e9]))
    assert scores[0] - scores[1] == pytest.approx((scores[1] - scores[2]) / 2)
    assert scores[2] == 0
    assert scores[4] > -3


@pytest.fixture
def line():
    """Scores that rise along one of two decisions, and what was learned of them."""
    rng = np.random.default_rng(0)
    x = rng.random((30, 2))
    y = 3 * x[:, 0] - 1.5
    return x, y, lambda running: surrogate.scores(x, y, running, [0, 1], {})


def test_improvement_is_expected_where_scores_rise(line):
    _, _, learn = line
    model, best, agreement = learn(np.zeros((0, 2)))
    assert agreement > 0.9
    judge = surrogate.improvement(model, best)
    low, high = judge(np.array([[0.1, 0.5], [1.0, 0.5]]))
    assert high > low
    # Far below the best its logarithm is still a number.
    assert np.isfinite(low)


def test_beside_a_running_trial_less_is_expected(line):
    _, _, learn = line
    there = np.array([[1.0, 0.5]])
    free, taken = (
        surrogate.improvement(found.model, found.best)(there)
        for found in (learn(np.zeros((0, 2))), learn(there))
    )
    assert taken < free


def test_elsewhere_leads_to_the_second_peak():
    """What is near the best comes last, though most is expected there."""
    x = np.linspace(0, 1, 41)[:, None]
    y = np.exp(-40 * (x[:, 0] - 0.9) ** 2) + 0.7 * np.exp(-40 * (x[:, 0] - 0.1) ** 2)
    found = surrogate.scores(x, y / y.std(), np.zeros((0, 1)), [0], {})
    best, second, between = np.array([[0.9]]), np.array([[0.1]]), np.array([[0.4]])
    everywhere = surrogate.improvement(found.model, found.best)
    away = surrogate.elsewhere(found.model, np.random.default_rng(0))
    assert everywhere(best) > everywhere(second)
    assert away(second) > max(away(best), away(between))
    assert away(best) < -1e5


def test_success_is_less_likely_beside_what_failed():
    rng = np.random.default_rng(0)
    completed, failed = rng.random((20, 2)) * [0.4, 1], rng.random((20, 2)) * [0.4, 1] + [0.6, 0]
    judge = surrogate.success(completed, failed, [0, 1], {})
    good, bad = judge(np.array([[0.2, 0.5], [0.8, 0.5]]))
    assert good > -1
    # More likely to fail than not.
    assert bad < -1e5


def test_parameters_are_learned_again_once_a_tenth_more_is_known():
    rng = np.random.default_rng(0)
    x = rng.random((24, 2))
    y = x[:, 0] - x[:, 1]
    fits = {}
    seen = []
    for count in (20, 21, 24):
        surrogate.scores(x[:count], y[:count], np.zeros((0, 2)), [0, 1], fits)
        seen.append(fits["score"][0])
    assert seen == [20, 20, 24]
