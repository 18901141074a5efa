"""What a tuner answers after a search: its best trials and models, and every trial as a dict."""

from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.pareto import running_hypervolume
from kerasnas.tuners import inputs, run_identity
from kerasnas.tuners.progress import reason
from kerasnas.tuners.rerank import rerank
from kerasnas.tuners.trial import TrialRunner


class Results(TrialRunner):
    """The part of `Tuner` that reads what the trials have left behind."""

    def _trials(self) -> list[Trial]:
        return list(self._asked.trials.values())

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best completed trials, the best first; fewer if there are fewer."""
        inputs.check_positive("num_trials", num_trials)
        best = self.oracle.get_best_trials(num_trials)
        return [trial for trial in best if trial.status == "COMPLETED"]

    def get_pareto_trials(self) -> list[Trial]:
        """Returns the completed trials that no other beats in all objectives, the first first.

        Returns:
            Trials; of one objective, those with the best score.

        Raises:
            TypeError: The oracle is not one of kerasnas.oracles.
        """
        return self._asked.get_pareto_trials()

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        """Returns the hyperparameters of the best completed trials, the best first."""
        return [trial.hyperparameters for trial in self.get_best_trials(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Returns the models of the best trials with the weights of their best epochs.

        Args:
            num_models: How many at most.

        Returns:
            Compiled models, the best first; fewer if fewer trials are completed.
        """
        inputs.check_positive("num_models", num_models)
        return [self.load_model(trial) for trial in self.get_best_trials(num_models)]

    def results(self) -> list[dict[str, Any]]:
        """Returns everything that is known about each trial, in the order of the trials.

        Returns:
            A dict a trial: trial_id, status, score, metrics, values, params, macs, flash_bytes,
            ram_bytes, latency_ms, epochs, best_step, duration (seconds), parents, operator,
            message; of several objectives also pareto (whether no other trial is better in all)
            and hypervolume (what the trials up to this one dominate, as a share of the box between
            the best and the worst of each objective). What is not known is None.
        """
        lineage = self._asked.lineage
        found = [
            result_of(trial, lineage.get(trial.trial_id), self._record_fname(trial.trial_id))
            for trial in sorted(self._trials(), key=lambda trial: int(trial.trial_id))
        ]
        if isinstance(self._asked, Oracle) and len(self._objectives()) > 1:
            add_trade_off(found, self._asked)
        return found

    def rerank(
        self,
        k: int,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        validation_split: float | None = None,
        recipe: Any = None,
    ) -> list[dict[str, Any]]:
        """Compress the best trials, and put them into the order of their files' scores.

        The order of float models is not that of their files. Each of the `k` trials is compressed
        and its file is scored on the validation data by the interpreter, by the metric that the
        search has as its objective, or its first one of several; limits and costs play no part. One
        that cannot be compressed comes last, with its reason.

        Args:
            k: How many of the best trials.
            x: Training data, as `search` takes it, for calibration and fine-tuning.
            y: Its targets.
            validation_data: As `search` takes it.
            validation_split: Likewise.
            recipe: Steps of `kerasnas.compress`. By default the hypermodel's own recipe for the
                trial where it has one, or else int8 after training.

        Returns:
            A dict a trial, the best file first: trial_id, score (of the search), metric (its name),
            value (of the file), bytes, rank_before, rank_after, compressed (a
            `kerasnas.compression.Compressed`, whose `save` writes the file) and message. Of a trial
            that failed value, bytes and compressed are None; of others, message is.

        Raises:
            ValueError: `k` is not from 1 to the number of completed trials, there is no validation
                data, the recipe is none, or the objective is no metric of the file.

        Example:

        ```python
        tuner.search(x, y, validation_data=(xv, yv), epochs=5)
        best, *_ = tuner.rerank(5, x, y, validation_data=(xv, yv))
        best["compressed"].save("model.tflite")
        ```
        """
        inputs.check_positive("k", k)
        fit = {"x": x, "y": y}
        fit |= {"validation_data": validation_data, "validation_split": validation_split}
        return rerank(self, self.get_best_trials(k), k, fit, recipe)


def result_of(trial: Trial, lineage: dict[str, Any] | None, record_path: str) -> dict[str, Any]:
    """Collects what the oracle and the folder of a trial know about it.

    Args:
        trial: The trial.
        lineage: Its parents and the operator that made it.
        record_path: Path of what the tuner noted when it ran the trial.

    Returns:
        A dict; what is not known is None.
    """
    record = run_identity.read(record_path)
    lineage = lineage or {}
    return {
        "trial_id": trial.trial_id,
        "status": trial.status,
        "score": None if trial.score is None else float(trial.score),
        "metrics": {
            name: float(history.get_best_value()) for name, history in trial.metrics.metrics.items()
        },
        "values": dict(trial.hyperparameters.values),
        "params": record.get("params"),
        "macs": record.get("macs"),
        "flash_bytes": record.get("flash_bytes"),
        "ram_bytes": record.get("ram_bytes"),
        "latency_ms": record.get("latency_ms"),
        "epochs": record.get("epochs"),
        "best_step": trial.best_step,
        "duration": record.get("seconds"),
        "statistics_duration": record.get("statistics_seconds"),
        "parents": list(lineage.get("parents", [])),
        "operator": lineage.get("operator"),
        "message": reason(trial.message) if trial.message else None,
    }


def add_trade_off(results: list[dict[str, Any]], oracle: Oracle) -> None:
    """Adds how good each trial is among several objectives.

    Args:
        results: One dict a trial, in the order of the trials.
        oracle: The oracle of the search.
    """
    front = {trial.trial_id for trial in oracle.get_pareto_trials()}
    completed = [result for result in results if result["status"] == "COMPLETED"]
    losses = [oracle.losses(oracle.trials[result["trial_id"]]) for result in completed]
    volumes = dict(
        zip(
            (result["trial_id"] for result in completed),
            running_hypervolume(np.array(losses)),
            strict=True,
        )
    )
    for result in results:
        volume = volumes.get(result["trial_id"])
        result["pareto"] = result["trial_id"] in front
        result["hypervolume"] = None if volume is None else float(volume)
