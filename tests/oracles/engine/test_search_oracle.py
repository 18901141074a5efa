"""One search, as KerasTuner's tuners ask for it: trials handed out, judged, ended, resumed."""

import keras_tuner
import pytest

from kerasnas.oracles import RandomOracle
from kerasnas.testing import search


def make(folder, **kwargs):
    kwargs = {
        "objective": keras_tuner.Objective(*search.OBJECTIVE),
        "hyperparameters": search.conditional_space(),
        "seed": 0,
        **kwargs,
    }
    oracle = RandomOracle(**kwargs)
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize(
    ("status", "ended"),
    [("COMPLETE", "COMPLETED"), ("COMPLETED", "COMPLETED"), ("INVALID", "FAILED")],
)
def test_a_trial_is_ended_by_its_id_as_in_old_scripts(tmp_path, status, ended):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    oracle.update_trial(trial.trial_id, {"score": 0.5})
    values = dict(trial.hyperparameters.values)
    oracle.end_trial(trial.trial_id, status)
    own = oracle.get_trial(trial.trial_id)
    assert (own.status, own.hyperparameters.values) == (ended, values)
    assert own.score == (0.5 if ended == "COMPLETED" else None)
    assert oracle.create_trial("a").trial_id != trial.trial_id


def in_their_tuner(folder, outcome, **kwargs):
    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial):
            trial.hyperparameters.Int("units", 1, 9)
            return outcome(len(self.oracle.trials))

    tuner = Tuner(oracle=RandomOracle(max_trials=4, seed=0, **kwargs), directory=folder)
    tuner.search()
    return tuner.oracle


def refuse(number):
    raise ValueError(f"no labels in trial {number}")


def test_a_tuner_of_keras_tuners_does_not_hide_that_all_trials_have_failed(tmp_path):
    """It prints them to the error stream, and `search` would return as if it were done."""
    message = (
        r"No trial was completed: all 4 failed[\s\S]*overwrite=True[\s\S]*no labels in trial 1"
    )
    with pytest.raises(RuntimeError, match=message):
        in_their_tuner(tmp_path, refuse)
    with pytest.raises(RuntimeError, match=message):
        in_their_tuner(tmp_path, refuse)  # Resumed, it says so again.
    with pytest.raises(RuntimeError, match="The last 3 trials have failed"):
        in_their_tuner(tmp_path / "other", refuse, max_consecutive_failed_trials=3)


def test_one_that_has_completed_is_enough(tmp_path):
    oracle = in_their_tuner(tmp_path, lambda number: 1.0 if number == 2 else refuse(number))
    assert [trial.status for trial in oracle.trials.values()].count("FAILED") == 3


def test_who_asks_and_tells_by_hand_sees_the_failures(tmp_path):
    oracle = make(tmp_path, max_trials=3)
    assert {row.status for row in search.run(oracle, lambda values: None)} == {"FAILED"}


class Waiting(RandomOracle):
    """Waits for each trial to end before it proposes the next."""

    def propose(self, rng):
        rng.random()
        return None if self.ongoing_trials else super().propose(rng)


def test_asking_an_idle_oracle_changes_nothing(tmp_path):
    def run(folder, questions):
        oracle = Waiting(
            keras_tuner.Objective(*search.OBJECTIVE),
            hyperparameters=search.conditional_space(),
            seed=0,
        )
        oracle.open(folder)
        while (trial := oracle.create_trial("a")).status == "RUNNING":
            last = len(oracle.trials) == oracle.max_trials
            for _ in range(0 if last else questions):
                assert oracle.create_trial("b").status == "IDLE"
            search.finish(oracle, trial)
        return search.rows(oracle)

    assert run(tmp_path / "patient", 0) == run(tmp_path / "impatient", 3)


class Failing(RandomOracle):
    """Raises once, in the middle of a proposal."""

    broken = True

    def propose(self, rng):
        proposal = super().propose(rng)
        if self.broken and len(self.trials) == 2:
            self.broken = False
            raise ZeroDivisionError
        return proposal


def test_an_exception_of_a_strategy_leaves_no_trace(tmp_path):
    expected = search.run(make(tmp_path / "whole", max_trials=5))
    oracle = Failing(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=5,
        hyperparameters=search.conditional_space(),
        seed=0,
    )
    oracle.open(tmp_path / "broken")
    with pytest.raises(ZeroDivisionError):
        search.run(oracle)
    assert search.run(oracle) == expected


# ------------------------------------------------------------------ spaces that grow


def test_a_space_is_discovered_by_the_first_trial(tmp_path):
    oracle = make(tmp_path, hyperparameters=None, max_trials=20)
    first = oracle.create_trial("a")
    assert first.hyperparameters.values == {}
    assert oracle.create_trial("b").status == "IDLE"
    first.hyperparameters.Int("units", 1, 3)
    search.finish(oracle, first)
    rows = search.run(oracle)
    assert dict(rows[0].values)["units"] == 1
    # The first trial ran with the default, which is not tried again.
    assert sorted(dict(row.values)["units"] for row in rows) == [1, 2, 3]
    assert "exhausted" in oracle.stop_reason


def test_a_space_without_hyperparameters_ends_after_one_trial(tmp_path):
    oracle = make(tmp_path, hyperparameters=None)
    assert len(search.run(oracle)) == 1
    assert "no hyperparameters" in oracle.stop_reason


def test_a_space_that_grew_is_restored(tmp_path):
    def run(oracle, trials):
        for _ in range(trials):
            trial = oracle.create_trial("a")
            hp = trial.hyperparameters
            if hp.Choice("op", ["conv", "pool"]) == "conv":
                hp.Int("units", 1, 3)
            search.finish(oracle, trial)
        return search.rows(oracle)

    unbroken = run(make(tmp_path / "unbroken", hyperparameters=None), 6)
    run(make(tmp_path / "resumed", hyperparameters=None), 3)
    assert run(make(tmp_path / "resumed", hyperparameters=None), 3) == unbroken
    values = [row.values for row in unbroken]
    assert len(set(values)) == 6


def test_new_hyperparameters_can_be_forbidden(tmp_path):
    oracle = make(tmp_path, allow_new_entries=False)
    trial = oracle.create_trial("a")
    trial.hyperparameters.Int("surprise", 1, 3)
    trial.status = "COMPLETED"
    with pytest.raises(RuntimeError, match="surprise"):
        oracle.end_trial(trial)
    # The lock is free, and the trial is still there to be ended.
    assert oracle.create_trial("a") is trial


def test_new_hyperparameters_can_keep_their_defaults(tmp_path):
    oracle = make(tmp_path, tune_new_entries=False, max_trials=6)
    for _ in range(6):
        trial = oracle.create_trial("a")
        trial.hyperparameters.Int("surprise", 1, 3)
        search.finish(oracle, trial)
    assert [dict(row.values)["surprise"] for row in search.rows(oracle)] == [1] * 6


# ------------------------------------------------------------------ trials that end


def test_a_metric_to_minimise(tmp_path):
    oracle = make(tmp_path, objective="val_loss", max_trials=8)
    losses = iter([3.0, 1.0, 2.0, 5.0, 1.0, 9.0, 8.0, 7.0])
    while (trial := oracle.create_trial("a")).status == "RUNNING":
        oracle.update_trial(trial.trial_id, {"val_loss": next(losses), "accuracy": 0.5}, step=2)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert [trial.trial_id for trial in oracle.get_best_trials(3)] == ["1", "4", "2"]
    assert oracle.get_best_trials(1)[0].best_step == 2


def test_the_end_of_a_trial_counts_once(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    search.finish(oracle, trial)
    with pytest.warns(RuntimeWarning, match="has ended before"):
        oracle.end_trial(trial)
    assert oracle.end_order == [trial.trial_id]


def test_a_copy_of_a_trial_from_a_worker_ends_it(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    values = dict(trial.hyperparameters.values)
    copy = type(trial).from_proto(trial.to_proto())
    oracle.update_trial(trial.trial_id, {"score": 1.0})
    copy.status = "COMPLETED"
    oracle.end_trial(copy)
    # Not rounded to 32 bits on its way.
    assert oracle.trials[trial.trial_id].hyperparameters.values == values
    assert oracle.create_trial("a").trial_id != trial.trial_id


def test_a_worker_that_outlived_its_chief_can_end_its_trial(tmp_path):
    trial = make(tmp_path).create_trial("worker")
    restarted = make(tmp_path)
    search.finish(restarted, restarted.get_trial(trial.trial_id))
    assert restarted.create_trial("worker").trial_id != trial.trial_id


def test_failures_in_a_row_end_the_search_when_asked_to(tmp_path):
    oracle = make(tmp_path, max_consecutive_failed_trials=2, max_trials=10)
    results = iter([None, 1.0, None, None, 1.0])
    with pytest.raises(RuntimeError, match="last 2 trials have failed"):
        search.run(oracle, lambda values: next(results))
    # All four are saved, and the search can be gone on with.
    again = make(tmp_path, max_consecutive_failed_trials=2, max_trials=10)
    assert [row.status for row in search.rows(again)] == [
        "FAILED",
        "COMPLETED",
        "FAILED",
        "FAILED",
    ]
    assert len(search.run(again, lambda values: 1.0)) == 10


def test_failing_trials_say_why(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("a")
    search.finish(oracle, trial, lambda values: float("nan"))
    assert trial.status == "FAILED"
    assert "score is nan" in trial.message
    silent = oracle.create_trial("a")
    silent.status = "COMPLETED"
    oracle.end_trial(silent)
    assert "Cannot score the trial" in silent.message


def test_nothing_is_printed(tmp_path, capsys):
    oracle = make(tmp_path, max_retries_per_trial=1)
    oracle.verbose = 1
    results = iter([None, 1.0, None, None, *[1.0] * 20])
    search.run(oracle, lambda values: next(results))
    assert capsys.readouterr().out == ""


def test_before_a_search_has_begun_there_is_nothing_to_save(tmp_path, monkeypatch):
    """A search that is interrupted before its first trial saves at its end."""
    monkeypatch.chdir(tmp_path)
    oracle = RandomOracle(hyperparameters=search.small_space())
    oracle.save()
    oracle.snapshot()
    assert list(tmp_path.iterdir()) == []
