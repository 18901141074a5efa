"""Oracles that mistake failed trials are found."""

import math

import pytest

from kerasnas.oracles import RandomOracle


class Padded(RandomOracle):
    """Fills the best trials up with failed ones."""

    def get_best_trials(self, num_trials=1):
        return list(self.trials.values())[:num_trials]


class Impatient(RandomOracle):
    """Runs no trial again."""

    def end_trial(self, trial, status="COMPLETED"):
        if trial.status == "COMPLETED" and not math.isfinite(trial.metrics.get_best_value("score")):
            trial.status = "FAILED"
        super().end_trial(trial, status)


class Fragile(RandomOracle):
    """Ends its search at the first failure."""

    def populate_space(self, trial_id):
        if any(trial.status == "FAILED" for trial in self.trials.values()):
            return {"status": "STOPPED"}
        return super().populate_space(trial_id)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Padded, "test_only_finite_scores_are_best"),
        (Impatient, "test_a_trial_is_run_again_after_nan"),
        (Fragile, "test_failures_do_not_end_the_search"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
