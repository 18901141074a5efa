"""Which trials are better: losses, limits and dominance."""

import math

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.engine.pareto import non_dominated
from kerasnas.oracles.engine.ranking import Ranking

ACCURACY = keras_tuner.Objective("val_accuracy", "max")
FLASH = keras_tuner.Objective("flash", "min")

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=15)


def trials_of(make_trial, points):
    return [make_trial(str(n), val_accuracy=a, flash=f) for n, (a, f) in enumerate(points)]


def names(trials):
    return [trial.trial_id for trial in trials]


def test_losses_are_turned_so_that_smaller_is_better(make_trial):
    trial = make_trial("0", val_accuracy=0.75, flash=900)
    ranking = Ranking([ACCURACY, FLASH])
    assert ranking.loss(trial) == -0.75
    assert ranking.losses(trial) == (-0.75, 900)


@given(points, st.integers(1, 20))
def test_without_limits_the_first_objective_alone_ranks(make_trial, points, count):
    trials = trials_of(make_trial, points)
    best = Ranking([ACCURACY, FLASH], limits=None).best(trials, count)
    assert names(best) == names(sorted(trials, key=lambda one: -one.score)[:count])


@given(points)
def test_with_empty_limits_front_after_front_ranks(make_trial, points):
    trials = trials_of(make_trial, points)
    ranking = Ranking([ACCURACY, FLASH], limits={})
    best = ranking.best(trials, len(trials))
    assert sorted(names(best)) == sorted(names(trials))
    front = ranking.front(trials)
    assert names(best[: len(front)]) == names(front)
    # Nobody stands before one that dominates it.
    losses = np.array([ranking.losses(trial) for trial in best])
    for place, loss in enumerate(losses):
        later = losses[place + 1 :]
        assert not ((later <= loss).all(axis=1) & (later < loss).any(axis=1)).any()


@given(points, st.integers(0, 9), st.integers(0, 9))
def test_those_within_the_limits_come_before_all_others(make_trial, points, least, most):
    trials = trials_of(make_trial, points)
    ranking = Ranking([ACCURACY, FLASH], limits={"val_accuracy": least, "flash": most})
    best = ranking.best(trials, len(trials))
    beyond = [ranking.violation(trial) for trial in best]
    within = [n for n, (a, f) in enumerate(points) if a >= least and f <= most]
    assert sum(one == 0 for one in beyond) == len(within)
    # Then by how far they are beyond the limits.
    assert beyond == sorted(beyond)
    assert {*names(ranking.front(trials))} <= {*map(str, within)}


@given(points)
def test_the_front_is_what_no_other_one_dominates(make_trial, points):
    trials = trials_of(make_trial, points)
    ranking = Ranking([ACCURACY, FLASH])
    front = ranking.front(trials)
    marked = non_dominated(np.array([(-a, f) for a, f in points]))
    assert sorted(names(front), key=int) == [str(n) for n, first in enumerate(marked) if first]
    scores = [trial.score for trial in front]
    assert scores == sorted(scores, reverse=True)


def test_violations_are_shares_of_the_limits(make_trial):
    ranking = Ranking([ACCURACY], limits={"val_accuracy": 0.8, "flash": 1000})
    assert ranking.violation(make_trial("0", val_accuracy=0.9, flash=500)) == 0
    assert ranking.violation(make_trial("0", val_accuracy=0.6, flash=1500)) == pytest.approx(0.75)
    # What is not known, or no number, is within no limit.
    assert ranking.violation(make_trial("0", val_accuracy=0.9)) == math.inf
    assert ranking.violation(make_trial("0", val_accuracy=0.9, flash=math.inf)) == math.inf


def test_losses_of_ones_own_take_the_place_of_those_that_were_measured(make_trial):
    trials = [make_trial(str(number), loss=number) for number in range(3)]
    ranking = Ranking(
        [keras_tuner.Objective("loss", "min")], losses=lambda trial: (-float(trial.trial_id),)
    )
    assert names(ranking.best(trials, 3)) == ["2", "1", "0"]
    assert ranking.loss(trials[1]) == -1.0


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"flash": math.inf}, r"limits\['flash'\].* of bytes for flash and ram"),
        ({"flash": "64k"}, r"limits\['flash'\]"),
        ({"my_metric": 1.0}, "whether 'my_metric' is to be large or small is not known"),
    ],
)
def test_bad_limits(limits, message):
    with pytest.raises(ValueError, match=message):
        Ranking([ACCURACY], limits)
