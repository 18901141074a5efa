"""What becomes of a trial that has run, and of a search whose trials fail."""

import math

import keras_tuner
import pytest

from kerasnas.oracles.engine import endings
from kerasnas.testing.search import small_space

LOSS, FLASH = keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("flash", "min")


def test_what_a_build_has_registered_is_taken_over_beside_what_was_proposed(make_trial):
    own = make_trial("0", {"op": "conv", "kernel": 5, "bias": True, "tuner/epochs": 3})
    ended = make_trial("0", {"op": "conv", "kernel": 7, "late": 4}, space=small_space())
    ended.hyperparameters.Int("late", 1, 9)
    endings.take_over(own, ended)
    assert own.hyperparameters.values == {
        **{"op": "conv", "kernel": 5, "bias": True, "tuner/epochs": 3},
        "late": 4,
    }
    assert [hp.name for hp in own.hyperparameters.space][-1] == "late"


def test_what_does_not_matter_is_dropped_at_the_end(make_trial):
    own = make_trial("0", {"op": "pool", "kernel": 5, "bias": True})
    endings.take_over(own, make_trial("0", space=small_space()))
    assert own.hyperparameters.values == {"op": "pool", "bias": True}


def test_metrics_have_the_direction_of_their_objective_or_of_their_name(make_trial):
    trial = make_trial("0")
    objectives = [keras_tuner.Objective("mine", "max")]
    endings.take_metrics(trial, objectives, {"mine": 1.0, "val_loss": 3.0, "flash": 70}, step=1)
    endings.take_metrics(trial, objectives, {"mine": 2.0, "val_loss": 5.0}, step=2)
    best = {name: trial.metrics.get_best_value(name) for name in ("mine", "val_loss", "flash")}
    assert best == {"mine": 2.0, "val_loss": 3.0, "flash": 70}
    assert trial.metrics.get_best_step("mine") == 2


def test_costs_that_only_our_tuner_measures_must_be_reported():
    endings.check_costs([LOSS, FLASH], {"val_loss": 1.0, "flash": 9})
    endings.check_costs([LOSS], {})
    with pytest.raises(ValueError, match=r"only kerasnas\.Tuner reports: flash.*\['val_loss'\]"):
        endings.check_costs([LOSS, FLASH], {"val_loss": 1.0})


@pytest.mark.parametrize("score", [math.nan, math.inf, None])
def test_without_a_finite_score_a_trial_is_invalid(make_trial, score):
    trial = make_trial("0", status="COMPLETED")
    endings.score(trial, lambda one: setattr(one, "score", score))
    assert (trial.status, trial.score) == ("INVALID", None)
    assert f"score is {score}" in trial.message


def test_a_score_that_cannot_be_computed_is_told(make_trial):
    trial = make_trial("0", status="COMPLETED")
    endings.score(trial, lambda one: 1 / 0)
    assert trial.status == "INVALID"
    assert "Cannot score the trial: division by zero" in trial.message


def test_a_finite_score_is_a_plain_number(make_trial):
    trial = make_trial("0", status="COMPLETED")
    endings.score(trial, lambda one: setattr(one, "score", 3))
    assert (trial.status, trial.score, type(trial.score)) == ("COMPLETED", 3.0, float)


def trials(make_trial, statuses):
    found = [make_trial(str(n), status=status) for n, status in enumerate(statuses)]
    for trial in found:
        trial.message = f"reason {trial.trial_id}"
    return found


def test_so_many_failures_in_a_row_end_the_search(make_trial):
    ended = trials(make_trial, ["FAILED", "COMPLETED", "FAILED", "FAILED"])
    for limit in (None, 3, 9):
        endings.check_consecutive_failures(ended, limit)
    with pytest.raises(RuntimeError, match=r"last 2 trials have failed[\s\S]*reason 3"):
        endings.check_consecutive_failures(ended, 2)


def test_a_search_of_failures_alone_does_not_end_in_silence(make_trial):
    failed = trials(make_trial, ["FAILED"] * 2)
    endings.check_any_completed([], {})
    endings.check_any_completed(failed, {"2": failed[0]})
    endings.check_any_completed(trials(make_trial, ["FAILED", "COMPLETED"]), {})
    with pytest.raises(RuntimeError, match=r"all 2 failed[\s\S]*reason 0"):
        endings.check_any_completed(failed, {})
