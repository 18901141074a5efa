"""Trials that fail are not lost, not best, and do not end the search."""

import math
import pathlib
from typing import Any

import keras_tuner

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making


class Failing(Making):
    """Trials that fail are not lost, not best, and do not end the search."""

    def test_only_finite_scores_are_best(self, make: Make) -> None:
        """NaN and infinite scores are failed trials, which are never best and never parents."""
        results = iter([math.nan, math.inf, *range(1, 100)])
        oracle = make(max_trials=20)
        trials = search.run(oracle, lambda values: float(next(results)))
        assert [row.status for row in trials[:3]] == ["FAILED", "FAILED", "COMPLETED"]
        best = oracle.get_best_trials(100)
        assert len(best) == len(trials) - 2
        assert best[0].score == max(row.score or 0 for row in trials)

    def test_a_trial_is_run_again_after_nan(self, make: Make, tmp_path: pathlib.Path) -> None:
        """The second run's result counts, in KerasTuner's own loop."""
        seen: set[str] = set()

        class Flaky(keras_tuner.Tuner):
            def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
                first = trial.trial_id not in seen
                seen.add(trial.trial_id)
                search.report(self.oracle, trial, 0.5)
                return math.nan if first else 0.5

        oracle = self.make_oracle(
            max_trials=4,
            hyperparameters=search.conditional_space(),
            seed=0,
            max_retries_per_trial=1,
        )
        tuner = Flaky(oracle=oracle, directory=tmp_path, project_name="nan")
        tuner.search()
        assert len(oracle.trials) >= 4
        assert {row.status for row in search.rows(oracle)} == {"COMPLETED"}
        assert {row.score for row in search.rows(oracle)} == {0.5}

    def test_failures_do_not_end_the_search(self, make: Make) -> None:
        """Half of the trials fail, and as many trials are run as were asked for."""
        oracle = make(max_trials=25)
        trials = search.run(oracle, lambda v: None if search.score(v) % 1 < 0.5 else 1.0)
        assert len(trials) == 25
        assert {row.status for row in trials} == {"COMPLETED", "FAILED"}

    def test_all_trials_failing_ends_too(self, make: Make) -> None:
        """With nothing to learn from, the search still runs its trials and stops."""
        oracle = make(max_trials=15)
        trials = search.run(oracle, lambda values: None)
        assert {row.status for row in trials} == {"FAILED"}
        assert oracle.get_best_trials(3) == []
