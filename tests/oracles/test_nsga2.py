import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import NSGA2Oracle
from kerasnas.oracles.engine import pareto
from kerasnas.testing import search


def space(count=8):
    hp = keras_tuner.HyperParameters()
    for place in range(count):
        hp.Int(f"x{place}", 0, 9)
    return hp


def make(folder, objectives=("gain", "cost"), **kwargs):
    directions = {"gain": "max", "cost": "min", "noise": "min"}
    oracle = NSGA2Oracle(
        [keras_tuner.Objective(name, directions[name]) for name in objectives],
        **{"hyperparameters": space(), "seed": 0, "max_trials": 100, **kwargs},
    )
    oracle.open(folder)
    return oracle


def measured(values):
    """Gain wants large numbers, cost small ones, and only some places are worth their cost."""
    x = np.array([values[name] for name in sorted(values)], dtype=float)
    return {"gain": float(np.sqrt(x[:4]).sum()), "cost": float(x.sum()), "noise": 0.0}


def run(oracle, trials=None):
    done = 0
    while done != trials and (trial := oracle.create_trial("a")).status == "RUNNING":
        metrics = measured(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        done += 1
    return oracle


@pytest.mark.parametrize(
    ("trials", "population"), [(12, 4), (30, 10), (100, 20), (1000, 50), (None, 20)]
)
def test_defaults_follow_the_budget(trials, population):
    oracle = NSGA2Oracle("val_loss", max_trials=trials)
    assert oracle.strategy.size(oracle.history) == population


@pytest.mark.parametrize("argument", [{"population_size": 3}, {"crossover": -0.1}])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        NSGA2Oracle("val_loss", **argument)


def test_a_limit_without_a_direction_is_refused():
    with pytest.raises(ValueError, match=r"limits: .*'speed'"):
        NSGA2Oracle("val_loss", limits={"speed": 3})


def test_the_score_is_the_first_objective_and_the_front_is_given_in_its_order(tmp_path):
    oracle = run(make(tmp_path))
    for trial in oracle.trials.values():
        assert trial.score == measured(trial.hyperparameters.values)["gain"]
    front = oracle.get_pareto_trials()
    gains = [trial.score for trial in front]
    assert gains == sorted(gains, reverse=True)
    losses = np.array([oracle.losses(trial) for trial in oracle.completed])
    expected = {
        oracle.completed[place].trial_id for place in np.where(pareto.fronts(losses) == 0)[0]
    }
    assert {trial.trial_id for trial in front} == expected
    assert oracle.get_best_trials(len(front)) == front
    assert len(oracle.get_best_trials(1000)) == 100


def test_the_trade_off_is_better_than_that_of_random_search(tmp_path):
    reference = np.array([0.0, 72.0])
    ours, chance = [], []
    for seed in range(10):
        oracle = run(make(tmp_path / str(seed), seed=seed, max_trials=60))
        ours.append(
            pareto.hypervolume(np.array([oracle.losses(t) for t in oracle.completed]), reference)
        )
        rng = np.random.default_rng(seed)
        drawn = [measured({f"x{i}": int(rng.integers(10)) for i in range(8)}) for _ in range(60)]
        losses = np.array([[-one["gain"], one["cost"]] for one in drawn])
        chance.append(pareto.hypervolume(losses, reference))
    error = np.hypot(np.std(ours), np.std(chance)) / np.sqrt(10)
    assert np.mean(ours) > np.mean(chance) + 2 * error


def test_parents_are_of_the_best_fronts(tmp_path):
    oracle = make(tmp_path, population_size=8, max_trials=60)
    for _ in range(60):
        trial = oracle.create_trial("a")
        lineage = oracle.lineage[trial.trial_id]
        if lineage["parents"]:
            losses = np.array([oracle.losses(t) for t in oracle.completed])
            ranks = pareto.fronts(losses)
            last = np.sort(ranks)[7]
            for parent in lineage["parents"]:
                place = oracle.completed.index(oracle.trials[parent])
                assert ranks[place] <= last
        oracle.update_trial(trial.trial_id, measured(trial.hyperparameters.values))
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_limits_come_before_dominance(tmp_path):
    """Nothing beyond a limit is in the front, and the search moves within."""
    oracle = run(make(tmp_path, limits={"cost": 20, "gain": 2}, max_trials=80))
    front = oracle.get_pareto_trials()
    assert front
    for trial in front:
        values = measured(trial.hyperparameters.values)
        assert values["cost"] <= 20
        assert values["gain"] >= 2
    late = [oracle.history.violation(trial) for trial in oracle.completed[-20:]]
    early = [oracle.history.violation(trial) for trial in oracle.completed[:20]]
    assert np.mean(late) < np.mean(early) / 2
    order = [oracle.history.violation(trial) for trial in oracle.get_best_trials(80)]
    assert order == sorted(order)


def test_a_trial_with_one_nan_among_its_objectives_has_failed(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    oracle.update_trial(trial.trial_id, {"gain": 1.0, "cost": float("nan")})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert oracle.trials[trial.trial_id].status == "FAILED"
    assert "cost" in oracle.trials[trial.trial_id].message
    assert oracle.get_pareto_trials() == []


def test_an_interrupted_search_goes_on_as_unbroken(tmp_path):
    whole = run(make(tmp_path / "whole", max_trials=50))
    run(make(tmp_path / "cut", max_trials=50), trials=23)
    rest = run(make(tmp_path / "cut", max_trials=50))
    assert search.rows(rest) == search.rows(whole)
    with pytest.raises(ValueError, match="limits"):
        make(tmp_path / "cut", limits={"cost": 3}, max_trials=50)
