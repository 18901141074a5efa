"""Hill climbing over one-decision changes."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Oracle, genome
from kerasnas.oracles.hill_climbing import HillClimbing, changes_of
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


class InOrder(HillClimbing):
    """Tries the changes in the order of the space."""

    def order_of_changes(self, history, place, rng):
        return changes_of(history, place)


def make(folder, space=None, strategy=InOrder, **kwargs):
    oracle = Oracle(
        strategy, SCORE, hyperparameters=space or search.separable_space(), seed=0, **kwargs
    )
    oracle.open(folder)
    return oracle


def test_changes_are_all_that_differ_in_one_decision(tmp_path):
    oracle = make(tmp_path, search.conditional_space())
    search.run(oracle, trials=1)
    place = oracle.completed[0]
    values = oracle.history.values(place)
    changes = changes_of(oracle.history, place)
    neighbours = [
        genome.set_one(oracle.hyperparameters, values, name, value) for name, value in changes
    ]
    assert neighbours == genome.neighbours(oracle.hyperparameters, values)


def test_it_walks_from_the_best_and_takes_the_first_that_is_better(tmp_path):
    oracle = make(tmp_path, strategy=InOrder(initial_samples=4))
    search.run(oracle, trials=40)
    lineages = [oracle.lineage[name] for name in oracle.start_order]
    assert [one["operator"] for one in lineages[:4]] == ["random"] * 4
    for number, one in enumerate(lineages[4:], start=4):
        if one["operator"] == "step":
            before = oracle.completed[:number]
            best = max(before, key=lambda trial: trial.score)
            assert one["parents"] == [best.trial_id]


@pytest.mark.parametrize(("trials", "samples"), [(10, 3), (50, 5), (500, 10), (None, 10)])
def test_how_many_random_settings_begin_follows_the_budget(tmp_path, trials, samples):
    oracle = make(tmp_path, max_trials=trials)
    search.run(oracle, trials=samples + 1)
    operators = [one["operator"] for one in oracle.lineage.values()]
    assert operators == [*["random"] * samples, "step"]


def test_after_a_local_optimum_a_new_episode_begins(tmp_path):
    """The one setting with two changes from all others is an optimum that no step leaves."""
    hp = keras_tuner.HyperParameters()
    for name in "abc":
        hp.Choice(name, [0, 1, 2])
    oracle = make(tmp_path, hp, strategy=InOrder(initial_samples=1))
    search.run(oracle, lambda values: float(-sum(value != 1 for value in values.values())))
    operators = [one["operator"] for one in oracle.lineage.values()]
    assert operators.count("random") > 1
    assert len(oracle.trials) == 27


def test_while_a_round_is_not_over_other_workers_look_further_away(tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Choice("a", [0, 1])
    hp.Int("b", 0, 20)
    oracle = make(tmp_path, hp, strategy=InOrder(initial_samples=1))
    search.run(oracle, lambda values: 1.0, trials=1)
    steps = len(changes_of(oracle.history, oracle.completed[0]))
    trials = [oracle.create_trial(str(worker)) for worker in range(steps + 1)]
    operators = [oracle.lineage[trial.trial_id]["operator"] for trial in trials]
    assert operators == [*["step"] * steps, "jump"]


def test_a_walk_is_taken_up_where_it_was(tmp_path):
    oracle = make(tmp_path)
    search.run(oracle, trials=20)
    again = InOrder()
    again.set_state(oracle.strategy.state())
    proposals = [
        strategy.propose(oracle.history, np.random.default_rng(0))
        for strategy in (again, oracle.strategy)
    ]
    assert proposals[0] == proposals[1]


def test_bad_arguments_and_what_must_be_defined(tmp_path):
    with pytest.raises(ValueError, match="`initial_samples` must be"):
        InOrder(initial_samples=0)
    oracle = make(tmp_path, strategy=HillClimbing(initial_samples=1))
    search.run(oracle, trials=1)
    with pytest.raises(NotImplementedError, match="must define order_of_changes"):
        oracle.create_trial("me")
