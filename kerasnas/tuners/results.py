"""One trial as a plain dict."""

import json
from typing import Any

from keras_tuner.engine.trial import Trial

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
    record = _read(record_path)
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
        "epochs": record.get("epochs"),
        "best_step": trial.best_step,
        "duration": record.get("seconds"),
        "parents": list(lineage.get("parents", [])),
        "operator": lineage.get("operator"),
        "message": reason(trial.message) if trial.message else None,
    }


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}
