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
        ({"max_epochs": 27}, [3, 9]),
        ({"max_epochs": 100, "min_epochs": 1}, [1, 3, 9, 27, 81]),
        ({"max_epochs": 5}, [1, 3]),
        ({"max_epochs": 1}, []),
        ({"max_epochs": 200, "rungs": [12, 200]}, [12, 200]),
    ],
)
def test_rungs(arguments, rungs):
    assert ASHAOracle("val_loss", **arguments).fidelity.rungs == rungs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rungs": [3, 2]}, "rungs must be rising"),
        ({"rungs": []}, "rungs must be rising"),
        ({"rungs": [3, 300]}, "rungs must be rising"),
        ({"rungs": [0, 3]}, "`rungs` must be an integer of at least 1"),
        ({"rungs": [3], "min_epochs": 3}, "either rungs or min_epochs"),
        ({"factor": 1}, "`factor` must be"),
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


def test_a_training_that_diverges_is_stopped_and_counts_at_no_rung(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    assert oracle.report(trial.trial_id, 1, {"score": float("nan")}) is True
    assert "reports" not in oracle.lineage[trial.trial_id]


def test_a_retry_starts_without_the_reports_of_the_failed_run(tmp_path):
    oracle = make(tmp_path, max_retries_per_trial=1)
    search.run(oracle, trials=4)
    trial = oracle.create_trial("a")
    for rung in (1, 3):
        oracle.report(trial.trial_id, rung, {"score": 99.0})
    trial.status = "INVALID"
    oracle.end_trial(trial)
    assert "reports" not in oracle.lineage[trial.trial_id]
    again = make(tmp_path, max_retries_per_trial=1)
    assert again.create_trial("a").trial_id == trial.trial_id
    assert again.lineage == oracle.lineage
    assert again.report(trial.trial_id, 1, {"score": -99.0}) is True
    assert again.lineage[trial.trial_id]["reports"] == {"1": 99.0}
    assert again.lineage[trial.trial_id]["stopped"] == 1


def test_a_resume_between_the_end_of_a_trial_and_the_next_report(tmp_path):
    """What the searcher knows follows from the trials that have ended, and from nothing else."""

    def life(folder, resume):
        oracle = make(folder, max_epochs=4, rungs=[2], min_epochs=None, searcher="cross_entropy")
        running = {}
        for turn in range(90):
            worker = str(turn % 3)
            if resume and turn % 10 == 9:
                oracle = make(
                    folder, max_epochs=4, rungs=[2], min_epochs=None, searcher="cross_entropy"
                )
                # The three that were running are handed out again, in the same order.
                for name in sorted(running, key=lambda one: running[one].trial_id):
                    running[name] = oracle.create_trial(name)
            if worker not in running:
                running[worker] = oracle.create_trial(worker)
                score = search.score(running[worker].hyperparameters.values)
                oracle.report(running[worker].trial_id, 2, {"score": score - 1.0})
            else:
                search.finish(oracle, running.pop(worker))
        return oracle

    whole, cut = life(tmp_path / "whole", False), life(tmp_path / "cut", True)
    assert search.rows(cut) == search.rows(whole)
