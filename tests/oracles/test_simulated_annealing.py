import itertools

import keras_tuner
import pytest

from kerasnas.oracles import SimulatedAnnealingOracle
from kerasnas.testing import search


def make(folder, space=None, **kwargs):
    oracle = SimulatedAnnealingOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=space or search.separable_space(),
        **{"seed": 0, **kwargs},
    )
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize("argument", [{"initial_samples": 1}, {"temperature": 0}])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        SimulatedAnnealingOracle("val_loss", **argument)


def parents(oracle):
    return [oracle.lineage[name]["parents"][0] for name in oracle.start_order[4:]]


def test_it_starts_from_the_best_and_moves_to_the_better(tmp_path):
    """Every trial is better than the last: each is the parent of the next."""
    oracle = make(tmp_path, max_trials=30, initial_samples=4)
    scores = iter(range(100))
    search.run(oracle, lambda values: float(next(scores)))
    assert parents(oracle) == [f"{number:02d}" for number in range(3, 29)]


def test_cold_it_stays_with_the_best(tmp_path):
    oracle = make(tmp_path, max_trials=30, initial_samples=4, temperature=1e-9)
    scores = iter([5.0, 9.0, 3.0, 1.0, *range(-1, -100, -1)])
    search.run(oracle, lambda values: float(next(scores)))
    assert set(parents(oracle)) == {"01"}


def test_hot_it_moves_to_the_worse_and_less_so_as_it_cools(tmp_path):
    """Steps of the same loss, always down: accepted often at first, seldom at the end."""
    early = late = 0
    for seed in range(10):
        oracle = make(tmp_path / str(seed), max_trials=64, initial_samples=4, seed=seed)
        reached: dict[str, float] = {}
        while (trial := oracle.create_trial("a")).status == "RUNNING":
            before = oracle.lineage[trial.trial_id]["parents"]
            reached[trial.trial_id] = reached[before[0]] - 0.3 if before else -float(len(reached))
            score = reached[trial.trial_id]
            search.finish(oracle, trial, lambda values, score=score: score)
        moves = [a != b for a, b in itertools.pairwise(parents(oracle))]
        early, late = early + sum(moves[:20]), late + sum(moves[-20:])
    assert early > 20
    assert late < early / 4


def test_moves_onto_known_settings_are_free(tmp_path):
    """A small space is walked to its end, though most of its settings are soon known."""
    oracle = make(tmp_path, search.small_space(), max_trials=50, initial_samples=2)
    rows = search.run(oracle)
    assert len(rows) == 10
