"""One trial as a plain dict."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import Oracle
from kerasnas.oracles.pareto import running_hypervolume
from kerasnas.tuners import run_identity
from kerasnas.tuners.progress import reason


def result_of(trial: Trial, lineage: dict[str, Any] | None, record_path: str) -> dict[str, Any]:
    """Gather what the oracle and the trial's folder know about a trial.

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
    """Add what each trial is worth among several objectives.

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
