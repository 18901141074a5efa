"""Settings that may be worth a trial, ranked by what the model says of them."""

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import Oracle, Proposal, Random, genome
from kerasnas.oracles.predictor.candidates import Candidates, anywhere, near_best
from kerasnas.oracles.predictor.model import Model
from kerasnas.testing import search


@pytest.fixture
def oracle(tmp_path):
    oracle = Oracle(
        Random,
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=search.separable_space(),
        seed=0,
    )
    oracle.open(tmp_path)
    return oracle


def worth(settings):
    return np.array([float(values["x"]) for values in settings])


@given(st.lists(st.integers(-50, 50), max_size=30), st.sets(st.integers(-50, 50)))
def test_the_best_that_is_not_ruled_out_is_last(numbers, out):
    pool = Candidates(worth, lambda values: values["x"] in out)
    pool.add([Proposal({"x": number}) for number in numbers])
    found = [one.values["x"] for one in pool.ranked()]
    assert found == sorted({*numbers} - out)


def test_each_setting_is_judged_once_and_named_in_every_group():
    judged = []
    pool = Candidates(lambda given: judged.extend(given) or worth(given), lambda values: False)
    first, second = pool.add([Proposal({"x": 1}), Proposal({"x": 2})], [Proposal({"x": 2})])
    pool.add([Proposal({"x": 1})])
    assert len(judged) == 2
    assert set(second) < set(first)
    assert [pool.found[name].values["x"] for name in pool.best(first, 1)] == [2]


def test_before_a_trial_has_completed_nothing_is_near_the_best(oracle, rng):
    learned = Model().learn(oracle.history)
    assert near_best(oracle.history, learned, rng) == []
    assert len(anywhere(oracle.history, learned, rng)) > 10


def test_near_the_best_one_decision_of_it_is_changed(oracle, rng):
    search.run(oracle, trials=60)
    best = oracle.get_best_trials(1)[0]
    learned = Model().learn(oracle.history)
    assert learned.scores.agreement > 0.3
    found = near_best(oracle.history, learned, rng)
    assert {one.parents for one in found} == {(best.trial_id,)}
    assert {
        genome.distance(oracle.history.space, one.values, oracle.history.values(best))
        for one in found
    } == {1.0}


def test_where_the_model_is_worth_nothing_one_of_the_best_few_is_changed(oracle, rng):
    search.run(oracle, trials=40)
    learned = Model().learn(oracle.history)
    learned = learned._replace(scores=learned.scores._replace(agreement=0.0))
    best = {trial.trial_id for trial in oracle.get_best_trials(3)}
    for _ in range(5):
        parents = {one.parents for one in near_best(oracle.history, learned, rng)}
        assert len(parents) == 1
        assert {name for (name,) in parents} <= best


@pytest.mark.parametrize("pick", [near_best, anywhere])
def test_what_promises_most_is_better_than_chance(oracle, rng, pick):
    search.run(oracle, trials=60)
    learned = Model().learn(oracle.history)
    last = [pick(oracle.history, learned, rng)[-1] for _ in range(5)]
    chance = np.mean([row.score for row in search.rows(oracle)])
    assert np.mean([search.score(one.values) for one in last]) > chance
    assert not any(oracle.history.ruled_out(one.values) for one in last)
