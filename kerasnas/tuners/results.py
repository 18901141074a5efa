"""What a search has come to: its best trials, its front, and every trial as a dict."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.hardware.budget import LIMITS
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.pareto import running_hypervolume
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.progress import reason
from kerasnas.tuners.project_folder import ProjectFolder


class Results:
    """Reads what the trials of a run have left behind.

    Args:
        oracle: What the tuner asks.
        folder: The folder of the run, which has a record of each trial.
    """

    def __init__(self, oracle: Oracle | ForeignOracle, folder: ProjectFolder) -> None:
        self._oracle = oracle
        self._folder = folder

    def trials(self) -> list[Trial]:
        """Returns all trials that the oracle shows."""
        return list(self._oracle.trials.values())

    def ended(self) -> list[Trial]:
        """Returns the trials that are completed or have failed."""
        return [one for one in self.trials() if one.status in ("COMPLETED", "FAILED")]

    def any_completed(self) -> bool:
        """Returns whether a trial is completed."""
        return any(trial.status == "COMPLETED" for trial in self.trials())

    def best_trials(self, num_trials: int) -> list[Trial]:
        """Returns the best completed trials, the best first; fewer if there are fewer."""
        best = self._oracle.get_best_trials(num_trials)
        # KerasTuner's oracles fill the list up with failed and running ones.
        return [trial for trial in best if trial.status == "COMPLETED"]

    def best_so_far(self) -> str:
        """Returns the best trial and its score as text; of several objectives, how many are best.

        Those are the trials that no other is better than in all objectives. Empty while there is
        none.
        """
        if len(self._oracle.objectives) > 1:
            front = len(self._oracle.get_pareto_trials())
            return f"front {front}" if front else ""
        best = next(iter(self.best_trials(1)), None)
        return "" if best is None else f"best {best.score:.4f} (trial {best.trial_id})"

    def summary(self) -> str:
        """Returns how far the search is, where its run is, and what is best so far, as text."""
        most = self._oracle.max_trials or "any number of"
        best = self.best_so_far() if self.any_completed() else ""
        return (
            f"{len(self.ended())} of {most} trials in {self._folder.path}"
            f"{', ' if best else ''}{best}"
        )

    def reached(self, trial: Trial) -> dict[str, float]:
        """Returns what a completed trial has reached in each objective, by its name."""
        objectives = self._oracle.objectives
        if len(objectives) == 1:
            return {self._oracle.objective.name: trial.score}
        return {one.name: trial.metrics.get_best_value(one.name) for one in objectives}

    def rows(self) -> list[dict[str, Any]]:
        """Returns a dict a trial, in the order of the trials, as `kerasnas.Tuner.results` does."""
        trials = sorted(self.trials(), key=lambda trial: int(trial.trial_id))
        found = [self._row(trial) for trial in trials]
        if isinstance(self._oracle, Oracle) and len(self._oracle.objectives) > 1:
            _add_trade_off(found, self._oracle)
        return found

    def _row(self, trial: Trial) -> dict[str, Any]:
        """Collects what is known about a trial; what is not known is None."""
        lineage = self._oracle.lineage.get(trial.trial_id, {})
        record = self._folder.record_of(trial.trial_id)
        return {
            "trial_id": trial.trial_id,
            "status": trial.status,
            "score": None if trial.score is None else float(trial.score),
            "metrics": {
                name: float(history.get_best_value())
                for name, history in trial.metrics.metrics.items()
            },
            "values": dict(trial.hyperparameters.values),
            **{name: record.get(name) for name in LIMITS.values()},
            "epochs": record.get("epochs"),
            "samples": record.get("samples"),
            "best_step": trial.best_step,
            "duration": record.get("seconds"),
            "statistics_duration": record.get("statistics_seconds"),
            "parents": list(lineage.get("parents", [])),
            "operator": lineage.get("operator"),
            "message": reason(trial.message) if trial.message else None,
        }


def _add_trade_off(rows: list[dict[str, Any]], oracle: Oracle) -> None:
    """Adds how good each trial is among several objectives."""
    front = {trial.trial_id for trial in oracle.get_pareto_trials()}
    completed = [row["trial_id"] for row in rows if row["status"] == "COMPLETED"]
    losses = [oracle.losses(oracle.trials[name]) for name in completed]
    volumes = dict(zip(completed, running_hypervolume(np.array(losses)).tolist(), strict=True))
    for row in rows:
        row["pareto"] = row["trial_id"] in front
        row["hypervolume"] = volumes.get(row["trial_id"])
