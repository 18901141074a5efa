"""What a search optimises: metrics of the training, costs of the network, and its file's."""

from collections.abc import Sequence
from typing import Any

import keras_tuner

from kerasnas.data import direction as metric_direction
from kerasnas.hardware.budget import LIMITS

# Costs have the names of a budget's limits, and are always minimised.
COSTS = tuple(LIMITS)
# Bytes of the file that a trial's model becomes, and its milliseconds on this machine.
FILE_COSTS = ("tflite_size", "tflite_latency_ms")
# Before the name of a metric that is measured on that file.
FILE_METRIC = "val_tflite_"


def resolve(objective: Any) -> Any:
    """Gives each objective its direction, and unwraps a list of one.

    KerasTuner's own guess is not asked: it would make an F1 score or an intersection over union as
    small as possible.

    Args:
        objective: As in KerasTuner: a metric's name, a `keras_tuner.Objective`, or a list of these;
            the name of a cost (params, macs, flash, ram, latency_ms) as well, and what is measured
            on a trial's file: a metric ("val_tflite_accuracy"), `tflite_size`, `tflite_latency_ms`.

    Returns:
        What `keras_tuner.Oracle` takes. Directions that were told by the name alone are marked.

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
    """Whether an objective is no metric, but a cost of the network or of its file."""
    return name in COSTS or name in FILE_COSTS


def of_file(name: str) -> bool:
    """Whether an objective is measured on the file that a trial's model becomes."""
    return name in FILE_COSTS or name.startswith(FILE_METRIC)


def direction(name: str) -> str | None:
    """Which way an objective is better: "min", "max", or None where its name does not tell."""
    return "min" if is_cost(name) else metric_direction.direction(name)


def float_name(name: str) -> str:
    """The metric of the training that stands for one of the file: "val_accuracy"."""
    return f"val_{name.removeprefix(FILE_METRIC)}" if name.startswith(FILE_METRIC) else name


def check_one(owner: object, names: Sequence[str]) -> None:
    """Refuses several objectives, on behalf of what takes one.

    Args:
        owner: The strategy or fidelity that takes one.
        names: Names of the objectives.

    Raises:
        ValueError: They are several.
    """
    if len(names) > 1:
        raise ValueError(
            f"{type(owner).__name__} searches for one objective. Use NSGA2Oracle for several, or "
            "pass one of them and keep the costs within a budget. "
            f"Received: objective={list(names)}"
        )


def members(objective: keras_tuner.Objective) -> list[keras_tuner.Objective]:
    """The objectives that one of KerasTuner's stands for: its parts, or itself."""
    return list(getattr(objective, "objectives", [objective]))
