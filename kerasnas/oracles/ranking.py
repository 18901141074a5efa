"""Which trials are better: scores, losses and dominance."""

import heapq
import math

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.pareto import non_dominated
from kerasnas.oracles.saving import SavedOracle


class RankedOracle(SavedOracle):
    """The judging half of `kerasnas.oracles.Oracle`, which is the class to derive from."""

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The best trials, of those that completed with a finite score.

        Args:
            num_trials: How many at most; never filled up with failed ones.

        Returns:
            Trials, the best first; of equals, the first to end.
        """
        with self._lock:
            return heapq.nsmallest(num_trials, self.completed, key=self.loss)

    def get_pareto_trials(self) -> list[Trial]:
        """The completed trials that no other one dominates; of one objective, the best.

        Returns:
            Trials, those with the best first objective first.
        """
        with self._lock:
            return self._front_of(self.completed)

    def loss(self, trial: Trial) -> float:
        """The score of a completed trial, turned so that smaller is better."""
        return -trial.score if self.objectives[0].direction == "max" else trial.score

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """All objectives of a completed trial, turned so that smaller is better."""
        values = ((one, trial.metrics.get_best_value(one.name)) for one in self.objectives)
        return tuple(-value if one.direction == "max" else value for one, value in values)

    def score_trial(self, trial: Trial) -> None:
        """Scores a trial, as in KerasTuner; of several objectives the score is the first."""
        for objective in reversed(self.objectives):
            trial.score = trial.metrics.get_best_value(objective.name)
            trial.best_step = trial.metrics.get_best_step(objective.name)
            if trial.score is None or not math.isfinite(trial.score):
                trial.message = f"The objective {objective.name} is {trial.score}."
                return

    def _front_of(self, trials: list[Trial]) -> list[Trial]:
        if not trials:
            return []
        marked = non_dominated(np.array([self.losses(trial) for trial in trials]))
        front = [trial for trial, first in zip(trials, marked, strict=True) if first]
        return sorted(front, key=self.loss)

    def _score(self, trial: Trial) -> None:
        try:
            self.score_trial(trial)
        except Exception as error:
            trial.score = None
            trial.message = f"Cannot score the trial: {error}"
        if trial.score is not None and math.isfinite(trial.score):
            trial.score = float(trial.score)
            return
        trial.message = trial.message or f"The trial's score is {trial.score}."
        trial.status, trial.score = TrialStatus.INVALID, None
