import keras_tuner
import pytest

from kerasnas.oracles import ASHAOracle
from kerasnas.testing import search


def make(folder, **kwargs):
    oracle = ASHAOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        **{
            "hyperparameters": search.conditional_space(),
            "seed": 0,
            "max_trials": 60,
            "max_epochs": 9,
            "min_epochs": 1,
            **kwargs,
        },
    )
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize(
    ("arguments", "rungs"),
    [
        ({"max_epochs": 27}, [6, 18]),
        ({"max_epochs": 100, "min_epochs": 1}, [1, 3, 9, 27, 81]),
        ({"max_epochs": 5}, [1, 3]),
        ({"max_epochs": 1}, []),
        ({"max_epochs": 200, "rungs": [12, 200]}, [12, 200]),
    ],
)
def test_rungs(arguments, rungs):
    assert ASHAOracle("val_loss", **arguments).rungs == rungs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rungs": [3, 2]}, "rungs must be rising"),
        ({"rungs": []}, "rungs must be rising"),
        ({"rungs": [3, 300]}, "rungs must be rising"),
        ({"rungs": [0, 3]}, "rungs must be an integer of at least 1"),
        ({"rungs": [3], "min_epochs": 3}, "either rungs or min_epochs"),
        ({"factor": 1}, "factor must be"),
        ({"searcher": "asha"}, "no strategy of that name"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ASHAOracle("val_loss", **arguments)


def test_a_trial_goes_on_while_it_is_in_the_best_third_of_its_rung(tmp_path):
    oracle = make(tmp_path, max_epochs=4)
    told = {}
    for score in (5, 9, 1, 8, 10, 2, 3):
        trial = oracle.create_trial("a")
        told[score] = oracle.report(trial.trial_id, 1, {"score": float(score)})
        assert oracle.report(trial.trial_id, 2, {"score": float(score)}) is False
        oracle.update_trial(trial.trial_id, {"score": float(score)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    # The best of one, of two, of three; 8 is second of four, where two places are left ...
    assert told == {5: False, 9: False, 1: True, 8: False, 10: False, 2: True, 3: True}


def test_epochs_are_saved_where_they_are_worth_least(tmp_path):
    """Two thirds stop at the first rung; what is trained in full is better than what is not."""
    oracle = make(tmp_path, searcher="random")
    search.run(oracle)
    stopped = {name: line.get("stopped") for name, line in oracle.lineage.items()}
    scores = {name: oracle.trials[name].score for name in stopped}
    early = [scores[name] for name, epochs in stopped.items() if epochs == 1]
    full = [scores[name] for name, epochs in stopped.items() if epochs is None]
    assert 30 <= len(early) <= 45
    assert 4 <= len(full) <= 15
    assert sum(full) / len(full) > sum(early) / len(early) + 1


@pytest.mark.parametrize("searcher", ["random", "predictor", "simulated_annealing"])
def test_what_was_reported_survives(tmp_path, searcher):
    whole = make(tmp_path / "whole", searcher=searcher)
    rows = search.run(whole)
    search.run(make(tmp_path / "cut", searcher=searcher), trials=20)
    interrupted = make(tmp_path / "cut", searcher=searcher)
    trial = interrupted.create_trial("tuner0")
    interrupted.report(trial.trial_id, 1, {"score": search.score(trial.hyperparameters.values)})
    resumed = make(tmp_path / "cut", searcher=searcher)
    assert search.run(resumed) == rows
    assert resumed.lineage == whole.lineage


def test_a_tuner_that_reports_nothing_is_told_so(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    oracle.update_trial(trial.trial_id, {"score": 1.0})
    trial.status = "COMPLETED"
    with pytest.raises(RuntimeError, match=r"kerasnas.Tuner .*HyperbandOracle"):
        oracle.end_trial(trial)
    assert make(tmp_path).trials[trial.trial_id].status == "COMPLETED"
