"""The smallest network of a space, and networks that are larger by one decision."""

from collections.abc import Iterator, Mapping

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values
from kerasnas.oracles.genome.decision import Decision, Value, plan_of
from kerasnas.oracles.genome.settings import decide


def smallest(space: keras_tuner.HyperParameters) -> Values:
    """Returns the setting of the smallest network.

    Args:
        space: The search space.

    Returns:
        The least value of each number, False for each flag, and for each choice the value that
        activates the fewest other decisions (of several, the default).

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Int("depth", 2, 6)
    smallest(hp)   # {"depth": 2}
    ```
    """
    brings: dict[str, list[frozenset[Value]]] = {}
    for _, decisions in plan_of(space):
        for decision in decisions:
            for name, wanted in decision.needs:
                brings.setdefault(name, []).append(wanted)
    return decide(space, lambda decision: _least(decision, brings.get(decision.hp.name, [])))


def enlargements(
    space: keras_tuner.HyperParameters, values: Mapping[str, Value], rng: np.random.Generator
) -> Iterator[Values]:
    """Yields settings that enlarge a network by one decision, in random order.

    Args:
        space: The search space.
        values: The setting of the network.
        rng: Generator of every draw.

    Returns:
        An iterator over settings in which one number is larger, one flag is on, or one choice is
        different, and in which not fewer decisions are active than before.

    Example:

    ```python
    next(enlargements(hp, {"depth": 2}, np.random.default_rng(0)))   # {"depth": 3}, for example
    ```
    """
    changes = [
        (decision.hp.name, value)
        for decision in genome.decisions_of(space, values)
        for value in decision.others(values[decision.hp.name])
        if not _is_less(decision, value, values[decision.hp.name])
    ]
    before = len(genome.active(space, values))
    for place in rng.permutation(len(changes)):
        name, value = changes[place]
        larger = genome.set_one(space, values, name, value, rng)
        if len(larger) >= before:
            yield larger


def _least(decision: Decision, brings: list[frozenset[Value]]) -> Value:
    if decision.domain is None:
        return float(decision.hp.min_value)
    if decision.ordered:
        first = decision.domain[0]
        # A choice keeps its numbers in the order in which the user wrote them, not by size.
        in_order = isinstance(first, str) or isinstance(decision.domain, range)
        return first if in_order else min(decision.domain)
    if isinstance(decision.hp.default, bool):
        return False
    counts = {value: sum(value in wanted for wanted in brings) for value in decision.domain}
    default = decision.hp.default
    return min(decision.domain, key=lambda value: (counts[value], value != default))


def _is_less(decision: Decision, new: Value, old: Value) -> bool:
    if isinstance(old, bool):
        return not new
    if isinstance(new, str) or isinstance(old, str):
        return decision.ordered and decision.position(new) < decision.position(old)
    return decision.ordered and new < old
