"""Settings of a search space as genomes: sample, mutate, cross over, neighbours, distance.

Pure functions over any `keras_tuner.HyperParameters`, conditional scopes included. A *setting* is a
plain dict from name to value that holds exactly the hyperparameters that matter (the active ones).
A name may be registered several times under different conditions; it then has one value, and the
first registration whose conditions hold says which values it may take.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.oracles.decision import Decision, Plan, Value, plan_of

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
    return _fill(space, {}, lambda decision: draw(decision, rng))


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
    full = _fill(space, {}, lambda decision: _given_or_default(decision, given))
    for name in given:
        if name not in full:
            raise ValueError(
                f"'{name}' does not matter in this setting: no condition that it stands under "
                f"holds. Leave it out or set its parent. Received: {dict(values)}"
            )
    return full


def active(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> Values:
    """Keeps the values that matter: those of known hyperparameters whose conditions hold.

    Args:
        space: The search space.
        values: Values by name; missing ones stay missing.

    Returns:
        The part of `values` that matters.

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


def mutate(
    space: keras_tuner.HyperParameters, values: Mapping[str, Value], rng: np.random.Generator
) -> Values:
    """Changes one decision; what this activates is sampled, what it deactivates is dropped.

    Args:
        space: The search space.
        values: The setting to start from.
        rng: Generator of every draw.

    Returns:
        The changed setting; the same setting where there is nothing to decide.

    Source:
        The mutation of Real et al. 2019, arXiv:1802.01548, on any conditional space.

    Example:

    ```python
    mutate(hp, {"units": 16, "bias": False}, np.random.default_rng(0))
    ```
    """
    choices = [decision for decision in decisions_of(space, values) if decision.is_open]
    if not choices:
        return _fill(space, values, lambda decision: decision.draw(rng))
    decision = choices[int(rng.integers(len(choices)))]
    name = decision.hp.name
    return set_one(space, values, name, decision.change(values[name], rng), rng)


def set_one(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    name: str,
    value: Value,
    rng: np.random.Generator | None = None,
) -> Values:
    """Sets one hyperparameter and puts the rest of the setting in order.

    Args:
        space: The search space.
        values: The setting to start from.
        name: The hyperparameter to set.
        value: Its new value.
        rng: Draws what the change activates; None fills it with defaults.

    Returns:
        The new setting.

    Example:

    ```python
    set_one(hp, {"op": "pool"}, "op", "conv")   # {"op": "conv", "filters": 8}
    ```
    """
    fill = _default if rng is None else (lambda decision: decision.draw(rng))
    return _fill(space, {**values, name: value}, fill)


def crossover(
    space: keras_tuner.HyperParameters,
    first: Mapping[str, Value],
    second: Mapping[str, Value],
    rng: np.random.Generator,
) -> Values:
    """Mixes two settings: each decision comes from either, with the same chance, by its name.

    Args:
        space: The search space.
        first: One parent.
        second: The other parent.
        rng: Generator of every draw.

    Returns:
        The child. What only one parent has comes from that one; what neither has is sampled.

    Example:

    ```python
    crossover(hp, {"units": 8, "bias": True}, {"units": 64, "bias": False}, rng)
    ```
    """

    def inherit(decision: Decision) -> Value:
        name = decision.hp.name
        offers = [
            parent[name]
            for parent in (first, second)
            if name in parent and decision.allows(parent[name])
        ]
        return offers[int(rng.integers(len(offers)))] if offers else decision.draw(rng)

    return _fill(space, {}, inherit)


def neighbours(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    names: Sequence[str] | None = None,
    rng: np.random.Generator | None = None,
) -> list[Values]:
    """All settings that differ in one decision.

    Args:
        space: The search space.
        values: The setting to start from.
        names: Only these decisions are changed; None changes each.
        rng: Draws what a change activates; None fills it with defaults.

    Returns:
        The neighbours; a continuous or long range contributes a few quantiles and nearby values.

    Example:

    ```python
    neighbours(hp, {"units": 8, "bias": False}, names=["bias"])   # [{"units": 8, "bias": True}]
    ```
    """
    found = []
    for decision in decisions_of(space, values):
        name = decision.hp.name
        if names is None or name in names:
            found += [
                set_one(space, values, name, other, rng) for other in decision.others(values[name])
            ]
    return found


def distance(
    space: keras_tuner.HyperParameters, first: Mapping[str, Value], second: Mapping[str, Value]
) -> float:
    """How far two settings are apart.

    Args:
        space: The search space.
        first: One setting.
        second: The other one.

    Returns:
        A sum over decisions: 1 where only one setting has it or unordered values differ, else the
        share of the range between both values. 0 only for equal settings.

    Example:

    ```python
    distance(hp, {"op": "conv"}, {"op": "pool"})   # 1.0
    ```
    """
    total = 0.0
    for name, decisions in plan_of(space):
        if name not in first and name not in second:
            continue
        if name not in first or name not in second:
            total += 1.0
        elif first[name] != second[name]:
            total += _gap(decisions, first, second, name)
    return total


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


def enumerate_settings(space: keras_tuner.HyperParameters) -> Iterator[Values]:
    """Yields every setting of a finite space, one at a time.

    Args:
        space: The search space.

    Returns:
        An iterator over all settings, each once.

    Raises:
        ValueError: A hyperparameter is continuous.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Boolean("bias")
    list(enumerate_settings(hp))   # [{"bias": True}, {"bias": False}]
    ```
    """
    order = plan_of(space)
    for name, decisions in order:
        if any(decision.domain is None for decision in decisions):
            raise ValueError(
                f"'{name}' is continuous, so its settings cannot be listed. Give it a step."
            )
    return _enumerate(order)


def size(space: keras_tuner.HyperParameters, limit: int = 10_000) -> int | None:
    """Counts the settings of a space.

    Args:
        space: The search space.
        limit: Counting stops here.

    Returns:
        How many settings there are, or None when there are more than `limit` or without end.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 8, 64, step=8)
    size(hp)   # 8
    ```
    """
    if any(d.domain is None for _, decisions in plan_of(space) for d in decisions):
        return None
    count = 0
    for _ in _enumerate(plan_of(space)):
        count += 1
        if count > limit:
            return None
    return count


def decisions_of(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> list[Decision]:
    """The registrations that decide each value of a setting.

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
    """Drops what does not matter and fills what is missing with defaults, questioning nothing.

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
    settled: Values = {}
    for name, decisions in plan_of(space):
        decision = next((d for d in decisions if d.is_active(settled)), None)
        if decision is not None:
            settled[name] = values.get(name, decision.hp.default)
    return settled


def plain(value: Any) -> Value:
    """A Python value for a numpy one: only those can be saved and sent to workers."""
    return value.item() if isinstance(value, np.generic) else value


def _fill(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    fill: Callable[[Decision], Value],
) -> Values:
    """Keeps what is active and allowed in `values`, and fills the rest of what is active."""
    full: Values = {}
    for name, decisions in plan_of(space):
        for decision in decisions:
            if decision.is_active(full):
                kept = name in values and decision.allows(values[name])
                full[name] = values[name] if kept else fill(decision)
                break
    return full


def _default(decision: Decision) -> Value:
    return decision.hp.default


def _given_or_default(decision: Decision, given: Mapping[str, Value]) -> Value:
    name = decision.hp.name
    if name not in given:
        return decision.hp.default
    value = given[name]
    if not decision.allows(value):
        offered = (
            f"from {decision.hp.min_value} to {decision.hp.max_value}"
            if decision.domain is None
            else f"one of {list(decision.domain[:20])}"
        )
        raise ValueError(f"'{name}' must be {offered}. Received: {value!r}")
    place = decision.index(value)
    if decision.domain is None:
        return float(value)
    # The space's own object: 1 for True, 0.3 for 0.30000000000000004.
    return value if place is None else decision.domain[place]


def _gap(
    decisions: list[Decision],
    first: Mapping[str, Value],
    second: Mapping[str, Value],
    name: str,
) -> float:
    here = next((d for d in decisions if d.is_active(first)), None)
    if here is None or not here.ordered:
        return 1.0
    a, b = first[name], second[name]
    if not (here.allows(a) and here.allows(b)):
        return 1.0
    if here.domain is None:
        return max(abs(here.hp.value_to_prob(a) - here.hp.value_to_prob(b)), 1e-12)
    place_a, place_b = here.index(a), here.index(b)
    if place_a is None or place_b is None or place_a == place_b:
        return 1.0
    return abs(place_a - place_b) / (len(here.domain) - 1)


def _enumerate(plan: Plan) -> Iterator[Values]:
    # A stack of iterators: recursion would end at a thousand names, lists at a long range.
    stack = [iter([(0, dict[str, Value]())])]
    while stack:
        branch = next(stack[-1], None)
        if branch is None:
            stack.pop()
            continue
        place, values = branch
        decision = None
        while place < len(plan) and decision is None:
            decision = next((d for d in plan[place][1] if d.is_active(values)), None)
            place += 1
        if decision is None:
            yield values
        else:
            stack.append(_branches(place, values, decision))


def _branches(place: int, values: Values, decision: Decision) -> Iterator[tuple[int, Values]]:
    for value in decision.domain or ():
        yield place, {**values, decision.hp.name: value}
