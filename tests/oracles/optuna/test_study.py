"""An Optuna study that follows the trials of a search."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Oracle, Random
from kerasnas.oracles.optuna.sampler import quiet
from kerasnas.oracles.optuna.study import Study, check_takes_several
from kerasnas.testing import search


@pytest.fixture
def oracle(tmp_path):
    space = keras_tuner.HyperParameters()
    space.Float("x", 0.0, 1.0)
    space.Choice("op", ["a", "b"])
    oracle = Oracle(
        Random, keras_tuner.Objective(*search.OBJECTIVE), 20, hyperparameters=space, seed=0
    )
    oracle.open(tmp_path)
    return oracle


@pytest.fixture(autouse=True)
def silent():
    with quiet():
        yield


def ask(study, seed=0):
    trial = study.ask(np.random.default_rng(seed))
    return {one.name: one.suggest(trial) for one in study.parameters.values()}


def test_a_study_learns_from_the_trials_that_ended(oracle):
    """What it draws is nearer to the best than chance, 0.34."""
    study = Study("TPESampler", oracle.history, {})
    search.run(oracle, lambda values: -abs(values["x"] - 0.8), trials=20)
    study.follow(oracle.history)
    gaps = []
    for seed in range(40):
        gaps.append(abs(ask(study, seed)["x"] - 0.8))
        study.forget_asked()
    assert np.mean(gaps) < 0.2


def test_a_study_made_later_asks_the_same(oracle):
    """All of it follows from the trials."""
    early = Study("TPESampler", oracle.history, {})
    for _ in range(4):
        search.run(oracle, trials=4)
        early.follow(oracle.history)
    late = Study("TPESampler", oracle.history, {})
    late.follow(oracle.history)
    assert [ask(late, seed) for seed in range(5)] == [ask(early, seed) for seed in range(5)]


def test_what_was_asked_and_turned_away_leaves_no_trace(oracle):
    search.run(oracle, trials=12)
    study = Study("TPESampler", oracle.history, {})
    study.follow(oracle.history)
    first = ask(study)
    for seed in range(1, 6):
        ask(study, seed)
    study.forget_asked()
    assert ask(study) == first


def test_a_study_is_of_a_space_until_it_grows(oracle):
    study = Study("RandomSampler", oracle.history, {})
    assert study.is_of(oracle.history.space)
    more = keras_tuner.HyperParameters()
    more.Boolean("late")
    oracle.update_space(more)
    assert not study.is_of(oracle.history.space)


def test_attributes_that_no_lineage_has_are_unsaved_until_they_are_noted(oracle):
    study = Study("RandomSampler", oracle.history, {"mine": 3})
    assert study.unsaved() == {"mine": 3}
    study.note_saved()
    assert study.unsaved() == {}


def test_a_sampler_says_itself_whether_it_takes_several_objectives():
    check_takes_several("NSGAIISampler", ["a", "b"])
    pytest.importorskip("cmaes")
    with pytest.raises(ValueError, match=r"CmaEsSampler searches.*\['a', 'b'\]"):
        check_takes_several("CmaEsSampler", ["a", "b"])
