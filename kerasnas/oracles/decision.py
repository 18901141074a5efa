"""One decision of a search space, and the order in which decisions are made."""

import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
import numpy as np

Value = int | float | str | bool

# Up to this many values a decision's neighbours are all its other values; above, a few of them.
_FEW = 12
# Quantiles that stand for a continuous or very long range among the neighbours.
_QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)
# A small step on a continuous range, as a share of the range.
_STEP = 0.1


@dataclass(frozen=True)
class Decision:
    """One registration of a hyperparameter, with its possible values looked up once.

    Args:
        hp: The `keras_tuner` hyperparameter.
        domain: Its possible values in order, or None when they are continuous.
        ordered: Whether neighbouring values are alike.
        needs: Names of its parents, each with the values under which it is active.
    """

    hp: Any
    domain: Sequence[Value] | None
    ordered: bool
    needs: tuple[tuple[str, frozenset[Value]], ...] = ()

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
        value = self.hp.prob_to_value(float(rng.random()))
        if self.domain is None:
            return min(max(float(value), self.hp.min_value), self.hp.max_value)
        if isinstance(self.domain, range):
            # KerasTuner scales by max_value + 1, which floating point can reach.
            return min(int(value), self.domain[-1])
        return value

    def quantile(self, value: Value) -> float:
        """Where on its range an allowed value of an ordered decision is, from 0 to 1."""
        if self.domain is None:
            return float(
                self.hp.value_to_prob(min(max(value, self.hp.min_value), self.hp.max_value))
            )
        return (self.index(value) or 0) / max(len(self.domain) - 1, 1)

    def at_quantile(self, place: float) -> Value:
        """The value at a place from 0 to 1 of an ordered decision's range."""
        place = min(max(place, 0.0), 1.0)
        if self.domain is not None:
            return self.domain[round(place * (len(self.domain) - 1))]
        # The prior's quantile function is open at 1.
        return float(self.hp.prob_to_value(min(place, 1.0 - 1e-12)))

    def others(self, value: Value) -> list[Value]:
        """Values that are not `value`: all of a few, else the nearest two and some quantiles."""
        picks: list[Value]
        if self.domain is None:
            # The quantiles of the declared prior.
            picks = [float(self.hp.prob_to_value(q)) for q in _QUANTILES]
        elif len(self.domain) <= _FEW:
            picks = list(self.domain)
        else:
            last = len(self.domain) - 1
            places = [round(q * last) for q in _QUANTILES]
            here = self.index(value)
            if here is not None:
                places += [max(here - 1, 0), min(here + 1, last)]
            picks = [self.domain[place] for place in sorted(set(places))]
        here = self.index(value)
        same = value if here is None or self.domain is None else self.domain[here]
        return [pick for pick in picks if pick != same]

    def change(self, value: Value, rng: np.random.Generator) -> Value:
        """A value that is not `value`; on an ordered range often the one beside it."""
        step = self.ordered and rng.random() < 0.5
        if self.domain is None:
            if step:
                moved = float(self.at_quantile(self.quantile(value) + rng.normal(0.0, _STEP)))
            else:
                moved = float(self.draw(rng))
            # Only a draw on the very same float or past an end can leave the value as it was.
            return moved if moved != value else float(self.hp.prob_to_value(float(rng.random())))
        here = self.index(value)
        count = len(self.domain)
        if here is None:
            return self.domain[int(rng.integers(count))]
        if step:
            beside = [place for place in (here - 1, here + 1) if 0 <= place < count]
            return self.domain[beside[int(rng.integers(len(beside)))]]
        place = int(rng.integers(count - 1))
        return self.domain[place + (place >= here)]

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


def _decision(hp: Any) -> Decision:
    needs = tuple((condition.name, frozenset(condition.values)) for condition in hp.conditions)
    return Decision(hp, *_domain(hp), needs)


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
