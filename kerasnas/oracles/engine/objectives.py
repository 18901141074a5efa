"""Objectives: metrics of the training, and costs and metrics of the network's file."""

import math
from collections.abc import Sequence
from typing import Any

import keras_tuner

from kerasnas.data import direction as metric_direction
from kerasnas.hardware.budget import LIMITS

# Costs have the names of a budget's limits, and are always minimised.
COSTS = tuple(LIMITS)
# Bytes of the file that a trial's model becomes, and its milliseconds on this machine.
FILE_COSTS = ("tflite_size", "tflite_latency_ms")
# Prefix of the metrics that are measured on that file.
FILE_METRIC = "val_tflite_"


def resolve(objective: Any) -> Any:
    """Returns objectives with their directions, and the objective itself for a list of one.

    Directions are looked up here because KerasTuner would minimise an F1 score or an intersection
    over union.

    Args:
        objective: As in KerasTuner: a metric's name, a `keras_tuner.Objective`, or a list of these;
            the name of a cost (params, macs, flash, ram, latency_ms) as well, and what is measured
            on a trial's file: a metric ("val_tflite_accuracy"), `tflite_size`, `tflite_latency_ms`.

    Returns:
        What `keras_tuner.Oracle` takes. Objectives whose direction follows from the name alone have
        the attribute `told_by_name`.

    Raises:
        ValueError: An empty list, the same name twice, a cost that is to be maximised, or a metric
            without a known direction.

    Example:

    ```python
    resolve(["val_accuracy", "flash"])  # [Objective(.., "max"), Objective("flash", "min")]
    ```
    """
    if not isinstance(objective, (list, tuple)):
        return _resolve_one(objective)
    found = [_resolve_one(one) for one in objective]
    names = [getattr(one, "name", one) for one in found]
    if not found or len({*names}) < len(names):
        raise ValueError(
            "objective must be a metric, or a list of different metrics and costs. "
            f"Received: objective={objective!r}"
        )
    return found if len(found) > 1 else found[0]


def _resolve_one(objective: Any) -> Any:
    if isinstance(objective, str):
        found = direction(objective)
        if found is None:
            raise ValueError(
                f"Whether '{objective}' is to be large or small is not known: pass "
                f'kn.Objective("{objective}", "max") or "min". '
                f"Received: objective={objective!r}"
            )
        told = keras_tuner.Objective(objective, found)
        told.told_by_name = not is_cost(objective)
        return told
    if isinstance(objective, keras_tuner.Objective) and objective.direction not in ("min", "max"):
        raise ValueError(
            f'The direction of an objective must be "min" or "max". Received: objective={objective}'
        )
    if is_cost(getattr(objective, "name", "")) and objective.direction != "min":
        raise ValueError(
            f"The cost '{objective.name}' is always minimised: pass its name alone. "
            f"Received: objective={objective}"
        )
    return objective


def is_cost(name: str) -> bool:
    """Returns whether an objective is a cost of the network or of its file, and not a metric."""
    return name in COSTS or name in FILE_COSTS


def of_file(name: str) -> bool:
    """Returns whether an objective is measured on the file that is made of a trial's model."""
    return name in FILE_COSTS or name.startswith(FILE_METRIC)


def direction(name: str) -> str | None:
    """Returns "min" or "max", or None where the name does not say which is better."""
    return "min" if is_cost(name) else metric_direction.direction(name)


def float_name(name: str) -> str:
    """Returns the metric of the training for one of the file, such as "val_accuracy"."""
    return f"val_{name.removeprefix(FILE_METRIC)}" if name.startswith(FILE_METRIC) else name


def check_one(owner: object, names: Sequence[str]) -> None:
    """Refuses several objectives for a strategy or fidelity that takes one.

    Args:
        owner: The strategy or fidelity that takes one.
        names: Names of the objectives.

    Raises:
        ValueError: There are several.
    """
    if len(names) > 1:
        raise ValueError(
            f"{type(owner).__name__} searches for one objective. Use NSGA2Oracle for several, or "
            "pass one of them and keep the costs within a budget. "
            f"Received: objective={list(names)}"
        )


def sort_key(value: float | None, objective: keras_tuner.Objective) -> float:
    """Returns a key that sorts values of an objective, the best first.

    None, NaN and infinity come last.
    """
    if value is None or not math.isfinite(value):
        return math.inf
    return -value if objective.direction == "max" else value


def members(objective: keras_tuner.Objective) -> list[keras_tuner.Objective]:
    """Returns the parts of a multi-objective of KerasTuner, or the objective itself in a list."""
    return list(getattr(objective, "objectives", [objective]))
