"""New settings from old ones: mutation, crossover, neighbours, and how far two are apart."""

from collections.abc import Mapping, Sequence

import keras_tuner
import numpy as np

from kerasnas.oracles.genome.decision import Decision, Value, parents_of, plan_of
from kerasnas.oracles.genome.settings import Values, decide, decisions_of, fill, set_one


def mutate(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    rng: np.random.Generator,
    step: float | None = None,
) -> Values:
    """Changes one decision; what this activates is sampled, what it deactivates is dropped.

    Args:
        space: The search space.
        values: The setting to start from.
        rng: Generator of every draw.
        step: How far an ordered decision moves, as a share of its range (the standard deviation);
            None for a small step half of the time, and anywhere else the other half.

    Returns:
        The changed setting; the same setting where there is nothing to decide.

    Source:
        The mutation of Real et al. 2019, arXiv:1802.01548, on any conditional space.

    Example:

    ```python
    mutate(hp, {"units": 16, "bias": False}, np.random.default_rng(0))
    ```
    """
    return mutants(space, values, rng, [1], step)[0]


def mutants(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    rng: np.random.Generator,
    changes: Sequence[int],
    step: float | None = None,
) -> list[Values]:
    """Mutates one setting many times, which costs less than a call for each.

    Args:
        space: The search space.
        values: The setting to start from.
        rng: Generator of every draw.
        changes: For each new setting, how many times it is mutated.
        step: As in `mutate`.

    Returns:
        The changed settings.

    Example:

    ```python
    mutants(hp, {"units": 16, "bias": False}, rng, [1, 1, 3])
    ```
    """
    parents = parents_of(space)
    first = fill(space, values, lambda decision: decision.draw(rng))
    open_at_first = _open(space, first)
    found = []
    for count in changes:
        child, choices = first, open_at_first
        for _ in range(count if choices else 0):
            decision = choices[int(rng.integers(len(choices)))]
            name = decision.hp.name
            value = decision.change(child[name], rng, step)
            if name in parents:
                child = set_one(space, child, name, value, rng)
                choices = _open(space, child)
            else:
                child = {**child, name: value}
        found.append(child)
    return found


def _open(space: keras_tuner.HyperParameters, values: Mapping[str, Value]) -> list[Decision]:
    return [decision for decision in decisions_of(space, values) if decision.is_open]


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

    return decide(space, inherit)


def neighbours(
    space: keras_tuner.HyperParameters,
    values: Mapping[str, Value],
    names: Sequence[str] | None = None,
    rng: np.random.Generator | None = None,
) -> list[Values]:
    """Returns all settings that differ in one decision.

    Args:
        space: The search space.
        values: The setting to start from.
        names: Only these decisions are changed; None changes each.
        rng: Generator that draws the values of what a change activates; None takes defaults.

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
    """Returns how far two settings are apart.

    Args:
        space: The search space.
        first: One setting.
        second: The other one.

    Returns:
        A sum over all decisions: 1 for a decision that only one setting has, 1 for different
        unordered values, and for ordered values their distance as a share of the range. It is 0 for
        equal settings only.

    Example:

    ```python
    distance(hp, {"op": "conv"}, {"op": "pool"})   # 1.0
    ```
    """
    total = 0.0
    for name, decisions in plan_of(space):
        here, there = first.get(name), second.get(name)
        if here != there:
            decision = next((one for one in decisions if one.is_active(first)), None)
            total += _gap(decision, here, there)
    return total


def _gap(decision: Decision | None, here: Value | None, there: Value | None) -> float:
    if here is None or there is None or decision is None or not decision.ordered:
        return 1.0
    if not (decision.allows(here) and decision.allows(there)):
        return 1.0
    # Different values must have a distance, even where rounding makes their positions equal.
    return max(abs(decision.position(here) - decision.position(there)), 1e-12)
