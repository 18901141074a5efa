"""Searches without training: spaces, scores that follow from the values, and the loop."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import ASHAOracle, Oracle, Proposal, RandomOracle, Strategy, genome
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


def make(folder, oracle_class=RandomOracle, **kwargs):
    oracle = oracle_class(
        objective=SCORE, hyperparameters=search.conditional_space(), seed=0, **kwargs
    )
    oracle.open(folder)
    return oracle


def test_the_spaces_are_as_large_as_they_say():
    assert genome.size(search.small_space()) == 10
    assert genome.size(search.separable_space(), limit=2**20) == 4**10
    assert len(search.conditional_space().space) == 12
    assert len(search.graph_space().space) == 43


def test_a_score_is_a_sum_of_fixed_worths():
    first, second = {"op": "conv"}, {"kernel": 3}
    both = search.score({**first, **second})
    assert both == pytest.approx(search.score(first) + search.score(second))
    # The same in every process, and without what an oracle adds for its tuner.
    assert search.score({"op": "conv", "tuner/epochs": 3}) == search.score(first)
    assert search.score(first) == pytest.approx(0.2923, abs=5e-5)


def test_scores_tell_settings_apart():
    rng = np.random.default_rng(0)
    scores = [search.score(genome.sample(search.separable_space(), rng)) for _ in range(200)]
    assert len(set(scores)) == 200
    assert np.std(scores) > 0.3


def test_a_search_ends_with_the_oracle_or_after_so_many_trials(tmp_path):
    oracle = make(tmp_path, max_trials=5)
    assert len(search.run(oracle, trials=2)) == 2
    rows = search.run(oracle)
    assert [row.trial_id for row in rows] == list("01234")
    assert [row.score for row in rows] == [search.score(dict(row.values)) for row in rows]
    assert search.rows(oracle) == rows


def test_an_outcome_of_none_fails_a_trial(tmp_path):
    oracle = make(tmp_path, max_trials=6)
    rows = search.run(oracle, lambda values: None if values["bias"] else 1.0)
    assert {(row.status, dict(row.values)["bias"]) for row in rows} == {
        ("FAILED", True),
        ("COMPLETED", False),
    }


def test_an_oracle_that_judges_trainings_is_told_of_each_epoch(tmp_path):
    oracle = make(tmp_path, ASHAOracle, max_trials=9, max_epochs=9, min_epochs=1)
    search.run(oracle)
    assert any("stopped" in lineage for lineage in oracle.lineage.values())
    assert all(lineage["reports"] for lineage in oracle.lineage.values())


def test_a_loop_that_waits_for_another_worker_is_an_error(tmp_path):
    class Waiting(Strategy):
        def propose(self, history, rng):
            return None if history.trials else Proposal(genome.sample(history.space, rng))

    waiting = Oracle(Waiting, SCORE, hyperparameters=search.conditional_space(), seed=0)
    waiting.open(tmp_path / "waiting")
    waiting.create_trial("another")
    with pytest.raises(RuntimeError, match="The oracle waits"):
        search.run(waiting)


def test_a_setting_is_the_values_without_those_for_the_tuner():
    values = {"op": "conv", "tuner/epochs": 3, "tuner/trial_id": "0"}
    assert search.setting(values) == {"op": "conv"}
