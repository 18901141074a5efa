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

# Up to this many values an ordered decision's neighbours are all its others; above, some of them.
_FEW = 12
# Quantiles that stand for a continuous or long range among the neighbours, and how far the near
# ones are, as shares of the range.
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
        """Whether all conditions of this registration hold."""
        # Asked so often that a generator would cost.
        for name, wanted in self.needs:
            if name not in values or values[name] not in wanted:
                return False
        return True

    def index(self, value: Value) -> int | None:
        """Position of `value` among the possible values, or None."""
        if self.domain is None:
            return None
        if isinstance(self.domain, range) and not isinstance(value, int):
            # A range would be walked to its end for it.
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
        """Whether this registration may take `value`."""
        if self.domain is not None:
            return self.index(value) is not None or value == self.hp.default
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and self.hp.min_value <= value <= self.hp.max_value
        )

    def draw(self, rng: np.random.Generator) -> Value:
        """A random value, by the prior that the hyperparameter was declared with."""
        value: Value = self.hp.prob_to_value(float(rng.random()))
        if self.domain is None:
            return float(min(max(float(value), self.hp.min_value), self.hp.max_value))
        if isinstance(self.domain, range):
            # KerasTuner scales by max_value + 1, which floating point can reach.
            return min(int(value), self.domain[-1])
        return value

    def position(self, value: Any) -> float:
        """Where on its range a value of an ordered decision stands, from 0 to 1.

        This is what every strategy takes for the size of a number: 1, 10 and 100 of
        `Int("units", 1, 100, sampling="log")` stand at 0, 0.5 and 1. A choice stands at its place
        among the others.
        """
        if self.scale is not None:
            return self.scale.position(value)
        return (self.index(value) or 0) / max(len(self.domain or ()) - 1, 1)

    def at_position(self, position: float) -> Value:
        """The value nearest to a position from 0 to 1 of an ordered decision's range."""
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
        """Values that are not `value`: all of a few, else some near ones and some quantiles."""
        if self.domain is not None and (len(self.domain) <= _FEW or not self.ordered):
            here = self.index(value)
            same = value if here is None else self.domain[here]
            return [pick for pick in self.domain if pick != same]
        picks = {self.at_position(quantile) for quantile in _QUANTILES}
        picks |= {self._moved(value, sign * step) for step in _NEAR for sign in (-1, 1)}
        return sorted(picks - {value}, key=self.position)

    def change(self, value: Value, rng: np.random.Generator, step: float | None = None) -> Value:
        """A value that is not `value`; of an ordered decision half of the time one near it.

        Args:
            value: The value.
            rng: Generator of every draw.
            step: With it an ordered decision always moves, so far: the standard deviation, as a
                share of its range.

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
        # A prior can give most of its weight to one value.
        return drawn if drawn != value else self._moved(value, float(rng.normal(0.0, _STEP)))

    def _moved(self, value: Value, by: float) -> Value:
        """The value so far away, or as far on the other side, but at least the one beside it."""
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
        """Whether neighbouring values stand equally far apart, and are equally likely."""
        if self.domain is None:
            return False
        return not isinstance(self.domain, range) or self.hp.sampling == "linear"

    @functools.cached_property
    def _descends(self) -> bool:
        """KerasTuner steps down from the largest value where the prior is `reverse_log`."""
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
# A plan is made once for each space; its length tells when KerasTuner has registered more.
_plans: weakref.WeakKeyDictionary[Any, tuple[int, Plan]] = weakref.WeakKeyDictionary()


def plan_of(space: keras_tuner.HyperParameters) -> Plan:
    """Names in an order in which parents come before children, with their registrations.

    The order of registration is not enough: a space that came from a worker process is sorted by
    type, so that a child can stand before its parent.
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
        # Names that are each other's parents under different conditions: first come, first.
        for name in ready or [next(iter(waiting))]:
            plan.append((name, waiting.pop(name)))
    _plans[space] = (len(space.space), plan)
    return plan


def parents_of(space: keras_tuner.HyperParameters) -> set[str]:
    """Names on whose values it depends which other decisions are made."""
    return {name for _, ways in plan_of(space) for one in ways for name, _ in one.needs}


def _decision(hp: Any) -> Decision:
    needs = tuple((condition.name, frozenset(condition.values)) for condition in hp.conditions)
    domain, ordered = _domain(hp)
    return Decision(hp, domain, ordered, needs, _scale(hp, domain))


def _domain(hp: Any) -> tuple[Sequence[Value] | None, bool]:
    """The possible values, and whether they are ordered."""
    types = keras_tuner.engine.hyperparameters
    if isinstance(hp, types.Int):
        if hp.sampling == "linear" or hp.step is None:
            return range(hp.min_value, hp.max_value + 1, hp.step or 1), True
        return tuple(dict.fromkeys(int(value) for value in hp.values)), True
    if isinstance(hp, types.Float):
        return None if hp.step is None else tuple(dict.fromkeys(map(float, hp.values))), True
    return tuple(dict.fromkeys(hp.values)), bool(getattr(hp, "ordered", False))


def _scale(hp: Any, domain: Sequence[Value] | None) -> Scale | None:
    types = keras_tuner.engine.hyperparameters
    if not isinstance(hp, (types.Int, types.Float)):
        return None
    low, high = hp.min_value, hp.max_value
    ends = sorted([low, high] if domain is None else [float(domain[0]), float(domain[-1])])
    return Scale(low, high, hp.sampling, *ends)
