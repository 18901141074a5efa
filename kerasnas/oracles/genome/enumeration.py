"""All settings of a finite space, one after the other, and how many there are."""

import itertools
from collections.abc import Iterator

import keras_tuner

from kerasnas.oracles.genome.decision import Decision, Plan, Value, plan_of
from kerasnas.oracles.genome.settings import Values


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
    count = sum(1 for _ in itertools.islice(_enumerate(plan_of(space)), limit + 1))
    return count if count <= limit else None


def _enumerate(plan: Plan) -> Iterator[Values]:
    # A stack of iterators, because recursion fails at a thousand names and lists are too long.
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
