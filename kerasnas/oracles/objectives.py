"""What a search optimises: metrics of the training, and costs of the network."""

from typing import Any

import keras_tuner

from kerasnas.hardware.budget import LIMITS

# Costs have the names of a budget's limits, and are always minimised.
COSTS = tuple(LIMITS)


def resolve(objective: Any) -> Any:
    """Gives costs their direction, and unwraps a list of one.

    Args:
        objective: As in KerasTuner: a metric's name, a `keras_tuner.Objective`, or a list of these;
            the name of a cost (params, macs, flash, ram, latency_ms) as well.

    Returns:
        What `keras_tuner.Oracle` takes.

    Raises:
        ValueError: An empty list, the same name twice, or a cost that is to be maximised.

    Example:

    ```python
    resolve(["val_accuracy", "flash"])   # ["val_accuracy", Objective("flash", "min")]
    ```
    """
    if not isinstance(objective, (list, tuple)):
        return _resolve_one(objective)
    found = [_resolve_one(one) for one in objective]
    names = [one if isinstance(one, str) else one.name for one in found]
    if not found or len({*names}) < len(names):
        raise ValueError(
            "objective must be a metric, or a list of different metrics and costs. "
            f"Received: objective={objective!r}"
        )
    return found if len(found) > 1 else found[0]


def _resolve_one(objective: Any) -> Any:
    if isinstance(objective, str) and objective in COSTS:
        return keras_tuner.Objective(objective, "min")
    if getattr(objective, "name", None) in COSTS and objective.direction != "min":
        raise ValueError(
            f"The cost '{objective.name}' is always minimised: pass its name alone. "
            f"Received: objective={objective}"
        )
    return objective


def members(objective: keras_tuner.Objective) -> list[keras_tuner.Objective]:
    """The objectives that one of KerasTuner's stands for: its parts, or itself."""
    return list(getattr(objective, "objectives", [objective]))
