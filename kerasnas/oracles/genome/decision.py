"""One decision of a search space, and the order in which decisions are made."""

import functools
import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.oracles.genome.scale import Scale

Value = int | float | str | bool

# With at most so many values, all others of an ordered decision are neighbours; else some are.
_FEW = 12
# The neighbours on a continuous or long range: values at these quantiles, and values so far from
# the current one, as shares of the range.
_QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)
_NEAR = (0.02, 0.1)
# The standard deviation of a small step on an ordered range, as a share of the range.
_STEP = 0.1


@dataclass(frozen=True)
class Decision:
    """One registration of a hyperparameter, with its possible values looked up once.

    Args:
        hp: The `keras_tuner` hyperparameter.
        domain: Its possible values in order, or None when they are continuous.
        ordered: Whether neighbouring values are alike.
        needs: Names of its parents, each with the values under which it is active.
        scale: Where a number stands on its range; None for a choice.
    """

    hp: Any
    domain: Sequence[Value] | None
    ordered: bool
    needs: tuple[tuple[str, frozenset[Value]], ...] = ()
    scale: Scale | None = None

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Returns whether all conditions of this registration hold.

        Args:
            values: The setting.
        """
        # This runs for every decision of every setting, where `all` with a generator is slower.
        for name, wanted in self.needs:
            if name not in values or values[name] not in wanted:
                return False
        return True

    def index(self, value: Value) -> int | None:
        """Returns the place of `value` among the possible values, or None."""
        if self.domain is None:
            return None
        if isinstance(self.domain, range) and not isinstance(value, int):
            # `range.index` compares a float with every element.
            whole = isinstance(value, float) and value.is_integer()
            return self.index(int(value)) if whole else None
        try:
            return self.domain.index(value)
        except ValueError:
            pass
        if isinstance(value, float):
            for position, candidate in enumerate(self.domain):
                if isinstance(candidate, float) and math.isclose(candidate, value, rel_tol=1e-9):
                    return position
        return None

    def allows(self, value: Value) -> bool:
        """Returns whether this registration may take `value`."""
        if self.domain is not None:
            return self.index(value) is not None or value == self.hp.default
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and self.hp.min_value <= value <= self.hp.max_value
        )

    def draw(self, rng: np.random.Generator) -> Value:
        """Returns a random value, drawn from the declared prior of the hyperparameter."""
        value: Value = self.hp.prob_to_value(float(rng.random()))
        if self.domain is None:
            return float(min(max(float(value), self.hp.min_value), self.hp.max_value))
        if isinstance(self.domain, range):
            # KerasTuner draws below max_value + 1, and rounding can reach that.
            return min(int(value), self.domain[-1])
        return value

    def position(self, value: Any) -> float:
        """Returns the position, from 0 to 1, of a value on the range of an ordered decision.

        Strategies compare numbers by it: 1, 10 and 100 of `Int("units", 1, 100, sampling="log")`
        are at 0, 0.5 and 1. The position of a choice follows from its place among the others.
        """
        if self.scale is not None:
            return self.scale.position(value)
        return (self.index(value) or 0) / max(len(self.domain or ()) - 1, 1)

    def at_position(self, position: float) -> Value:
        """Returns the value nearest to a position, from 0 to 1, on an ordered decision's range."""
        position = min(max(position, 0.0), 1.0)
        if self.domain is None or not self.is_even:
            assert self.scale is not None
            value = self.scale.value(position)
            if self.domain is None:
                return value
            below = math.floor(value)
            above = min(below + 1, self.domain[-1])
            nearer = position - self.position(below) <= self.position(above) - position
            return below if nearer else above
        place = round(position * (len(self.domain) - 1))
        return self.domain[-1 - place if self._descends else place]

    def others(self, value: Value) -> list[Value]:
        """Returns other values than `value`: all if they are few, else near ones and quantiles."""
        if self.domain is not None and (len(self.domain) <= _FEW or not self.ordered):
            here = self.index(value)
            same = value if here is None else self.domain[here]
            return [pick for pick in self.domain if pick != same]
        picks = {self.at_position(quantile) for quantile in _QUANTILES}
        picks |= {self._moved(value, sign * step) for step in _NEAR for sign in (-1, 1)}
        return sorted(picks - {value}, key=self.position)

    def change(self, value: Value, rng: np.random.Generator, step: float | None = None) -> Value:
        """Returns another value than `value`; for ordered decisions, half of the time a near one.

        Args:
            value: The value.
            rng: Generator of every draw.
            step: How far an ordered decision moves: the standard deviation, as a share of its
                range. With None, half of the moves are small and the others go anywhere.

        Returns:
            The new value.
        """
        if self.ordered and (step is not None or rng.random() < 0.5):
            return self._moved(value, float(rng.normal(0.0, step or _STEP)))
        if self.domain is not None and self.is_even:
            here = self.index(value)
            if here is None:
                return self.domain[int(rng.integers(len(self.domain)))]
            place = int(rng.integers(len(self.domain) - 1))
            return self.domain[place + (place >= here)]
        drawn = self.draw(rng)
        # A prior with most of its weight on one value would often draw the same again.
        return drawn if drawn != value else self._moved(value, float(rng.normal(0.0, _STEP)))

    def _moved(self, value: Value, by: float) -> Value:
        """Returns the value at a distance of `by`, or on the other side; at least the next one."""
        here = self.position(value)
        for position in (here + by, here - by):
            moved = self.at_position(position)
            if moved != value:
                return moved
        place = None if self.domain is None else self.index(value)
        if self.domain is None or place is None:
            return moved
        step = 1 if (by > 0) != self._descends else -1
        beside = place + step if 0 <= place + step < len(self.domain) else place - step
        return self.domain[beside]

    @functools.cached_property
    def is_even(self) -> bool:
        """Whether all neighbouring values are equally far apart, and equally likely."""
        if self.domain is None:
            return False
        return not isinstance(self.domain, range) or self.hp.sampling == "linear"

    @functools.cached_property
    def _descends(self) -> bool:
        """Whether the values are in falling order, as KerasTuner's are under `reverse_log`."""
        if self.scale is None or self.domain is None:
            return False
        return self.position(self.domain[0]) > self.position(self.domain[-1])

    @property
    def is_open(self) -> bool:
        """Whether there is more than one value to choose from."""
        if self.domain is None:
            return bool(self.hp.min_value < self.hp.max_value)
        return len(self.domain) > 1


Plan = list[tuple[str, list[Decision]]]
# The plan of each space, and how many registrations the space had when it was made.
_plans: weakref.WeakKeyDictionary[Any, tuple[int, Plan]] = weakref.WeakKeyDictionary()


def plan_of(space: keras_tuner.HyperParameters) -> Plan:
    """Returns all names with their registrations, parents before children.

    The order of registration is not enough: a space that comes from a worker process is sorted by
    type, so that a child can come before its parent.
    """
    known = _plans.get(space)
    if known is not None and known[0] == len(space.space):
        return known[1]
    registrations: dict[str, list[Decision]] = {}
    for hp in space.space:
        registrations.setdefault(hp.name, []).append(_decision(hp))
    waiting = dict(registrations)
    plan: Plan = []
    while waiting:
        ready = [
            name
            for name, decisions in waiting.items()
            if not any(
                condition.name in waiting and condition.name != name
                for decision in decisions
                for condition in decision.hp.conditions
            )
        ]
        # Names can be each other's parents under different conditions: then the first one is next.
        for name in ready or [next(iter(waiting))]:
            plan.append((name, waiting.pop(name)))
    _plans[space] = (len(space.space), plan)
    return plan


def parents_of(space: keras_tuner.HyperParameters) -> set[str]:
    """Returns the names whose values decide whether other hyperparameters are active."""
    return {name for _, ways in plan_of(space) for one in ways for name, _ in one.needs}


def _decision(hp: Any) -> Decision:
    types = keras_tuner.engine.hyperparameters
    needs = tuple((condition.name, frozenset(condition.values)) for condition in hp.conditions)
    domain: Sequence[Value] | None
    if not isinstance(hp, (types.Int, types.Float)):
        domain = tuple(dict.fromkeys(hp.values))
        return Decision(hp, domain, bool(getattr(hp, "ordered", False)), needs)
    if isinstance(hp, types.Float):
        domain = None if hp.step is None else tuple(dict.fromkeys(map(float, hp.values)))
    elif hp.sampling == "linear" or hp.step is None:
        domain = range(hp.min_value, hp.max_value + 1, hp.step or 1)
    else:
        domain = tuple(dict.fromkeys(int(value) for value in hp.values))
    low, high = hp.min_value, hp.max_value
    ends = sorted([low, high] if domain is None else [float(domain[0]), float(domain[-1])])
    return Decision(hp, domain, True, needs, Scale(low, high, hp.sampling, *ends))
