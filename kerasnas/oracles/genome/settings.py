"""Settings of a search space: sample, complete, reduce to what matters, set one decision.

A *setting* is a plain dict from name to value that holds exactly the hyperparameters that matter
(the active ones). A name may be registered several times under different conditions; it then has
one value, and the first registration whose conditions hold says which values it may take.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.oracles.genome.decision import Decision, Value, plan_of

Values = dict[str, Value]


def sample(
    space: keras_tuner.HyperParameters,
    rng: np.random.Generator,
    draw: Callable[[Decision, np.random.Generator], Value] = Decision.draw,
) -> Values:
    """Draws a setting at random.

    Args:
        space: The search space.
        rng: Generator of every draw.
        draw: Callable that draws one decision; by default uniformly, or by its declared prior.

    Returns:
        The setting: a value for each active hyperparameter and for no other.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 8, 64, step=8)
    sample(hp, np.random.default_rng(0))   # {"units": 48}
    ```
    """
    return decide(space, lambda decision: draw(decision, rng))


def complete(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> Values:
    """Checks a partial setting and fills what is missing with defaults.

    Args:
        space: The search space.
        values: Some of the values.

    Returns:
        The full setting.

    Raises:
        ValueError: An unknown or inactive name, or a value that the space does not offer.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 8, 64, step=8)
    hp.Boolean("bias")
    complete(hp, {"units": 16})   # {"units": 16, "bias": False}
    ```
    """
    known = {hp.name for hp in space.space}
    for name in values:
        if name not in known:
            raise ValueError(
                f"The search space has no hyperparameter '{name}'. It has: "
                f"{', '.join(sorted(known)) or 'none'}. Received: {dict(values)}"
            )
    given = {name: plain(value) for name, value in values.items()}
    full = decide(
        space,
        lambda one: _checked(one, given[one.hp.name]) if one.hp.name in given else one.hp.default,
    )
    for name in given:
        if name not in full:
            raise ValueError(
                f"'{name}' does not matter in this setting: no condition that it stands under "
                f"holds. Leave it out or set its parent. Received: {dict(values)}"
            )
    return full


def active(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> Values:
    """Keeps the values of known hyperparameters whose conditions hold.

    Args:
        space: The search space.
        values: Values by name; missing ones stay missing.

    Returns:
        The part of `values` that belongs to active hyperparameters.

    Example:

    ```python
    active(hp, {"op": "pool", "filters": 8})   # {"op": "pool"} if only convolutions have filters
    ```
    """
    kept: Values = {}
    for name, decisions in plan_of(space):
        if name in values and any(decision.is_active(kept) for decision in decisions):
            kept[name] = values[name]
    return kept


def set_one(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    name: str,
    value: Value,
    rng: np.random.Generator | None = None,
) -> Values:
    """Sets one hyperparameter, drops what becomes inactive, and fills what becomes active.

    Args:
        space: The search space.
        values: The setting to start from.
        name: The hyperparameter to set.
        value: Its new value.
        rng: Generator that draws the values of what the change activates; None takes defaults.

    Returns:
        The new setting.

    Example:

    ```python
    set_one(hp, {"op": "pool"}, "op", "conv")   # {"op": "conv", "filters": 8}
    ```
    """
    return fill(
        space,
        {**values, name: value},
        lambda decision: decision.hp.default if rng is None else decision.draw(rng),
    )


def decisions_of(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> list[Decision]:
    """Returns the registrations that say what each value of a setting may be.

    Args:
        space: The search space.
        values: The setting.

    Returns:
        One decision for each active hyperparameter of the setting, parents before children.

    Example:

    ```python
    [decision.hp.name for decision in decisions_of(hp, {"units": 8})]   # ["units"]
    ```
    """
    found = []
    for name, decisions in plan_of(space):
        if name in values:
            for decision in decisions:
                if decision.is_active(values):
                    found.append(decision)
                    break
    return found


def settle(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> Values:
    """Drops inactive values and fills missing ones with defaults, without checking any.

    Args:
        space: The search space.
        values: Values by name, as a trial used them.

    Returns:
        The setting.

    Example:

    ```python
    settle(hp, {"op": "conv", "tuner/epochs": 3})   # {"op": "conv", "filters": 8}
    ```
    """
    return decide(space, lambda decision: values.get(decision.hp.name, decision.hp.default))


def network_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the network, without those that tell a tuner how long to train it.

    Args:
        values: Values by name, as a trial has them.

    Returns:
        Those whose names do not begin with `tuner/`.

    Example:

    ```python
    network_values({"op": "conv", "tuner/epochs": 3})   # {"op": "conv"}
    ```
    """
    return {name: value for name, value in values.items() if not str(name).startswith("tuner/")}


def parts(space: keras_tuner.HyperParameters) -> dict[str, list[str]]:
    """Groups hyperparameters into the parts of the network that they describe.

    The part of `block_1/filters` is `block_1` when there is such a hyperparameter (the longest one
    counts), else what stands before the last slash, else the name itself.

    Args:
        space: The search space.

    Returns:
        Names by part, both in the order of the space.

    Example:

    ```python
    parts(hp)   # {"block_1": ["block_1", "block_1/filters"], "learning_rate": ["learning_rate"]}
    ```
    """
    names = [name for name, _ in plan_of(space)]
    known = set(names)
    owners: dict[str, str] = {}
    for name in names:
        owner = name
        while "/" in owner:
            owner = owner.rpartition("/")[0]
            if owner in known:
                owners[name] = owner
                break
    heads = set(owners.values())
    grouped: dict[str, list[str]] = {}
    for name in names:
        beside = owners.get(name) or name.rpartition("/")[0] or name
        part = name if name in heads else beside
        grouped.setdefault(part, []).append(name)
    return grouped


def plain(value: Any) -> Value:
    """Returns the Python value of a numpy one, which can be saved and sent to workers."""
    found: Value = value.item() if isinstance(value, np.generic) else value
    return found


def fill(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    missing: Callable[[Decision], Value],
) -> Values:
    """Keeps what is active and allowed in `values`, and fills the rest of what is active.

    Args:
        space: The search space.
        values: Values by name.
        missing: Callable that gives the value of a decision that has none.

    Returns:
        The setting.

    Example:

    ```python
    fill(hp, {"op": "conv"}, lambda decision: decision.hp.default)
    ```
    """

    def kept_or_missing(decision: Decision) -> Value:
        name = decision.hp.name
        kept = name in values and decision.allows(values[name])
        return values[name] if kept else missing(decision)

    return decide(space, kept_or_missing)


def decide(space: keras_tuner.HyperParameters, choose: Callable[[Decision], Value]) -> Values:
    """Makes a setting decision by decision, parents before children.

    Args:
        space: The search space.
        choose: Callable from a decision that is active to its value.

    Returns:
        The setting.
    """
    values: Values = {}
    for name, decisions in plan_of(space):
        for decision in decisions:
            if decision.is_active(values):
                values[name] = choose(decision)
                break
    return values


def _checked(decision: Decision, value: Value) -> Value:
    """Returns a value as the space has it: 1 for True, 0.30000000000000004 for 0.3."""
    if not decision.allows(value):
        offered = (
            f"from {decision.hp.min_value} to {decision.hp.max_value}"
            if decision.domain is None
            else f"one of {list(decision.domain[:20])}"
        )
        raise ValueError(f"'{decision.hp.name}' must be {offered}. Received: {value!r}")
    if decision.domain is None:
        return float(value)
    place = decision.index(value)
    return value if place is None else decision.domain[place]
