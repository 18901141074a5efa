"""Which trials are better: losses, limits and dominance."""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.objectives import COSTS, FILE_COSTS, resolve
from kerasnas.oracles.engine.pareto import non_dominated
from kerasnas.runtime.arguments import check_number


class Ranking:
    """Ranks completed trials by their objectives, those within the limits first.

    Args:
        objectives: One objective or several.
        limits: Mapping from a metric or cost to its limit: at least that much of a metric to
            maximise, at most that much of any other. None ranks by the first objective alone; a
            mapping, even an empty one, ranks front after front by all objectives.
        losses: Callable from a completed trial to its losses, one for each objective; by default
            the measured ones.
        tier: Callable from a trial to its tier: those of lower tiers rank first.

    Attributes:
        objectives: As given.
        limits: Pairs of an objective and its limit.

    Raises:
        ValueError: A limit is not a finite number, or the direction of its metric is not known.
    """

    def __init__(
        self,
        objectives: Sequence[keras_tuner.Objective],
        limits: Mapping[str, float] | None = None,
        losses: Callable[[Trial], tuple[float, ...]] | None = None,
        tier: Callable[[Trial], int] = lambda trial: 0,
    ):
        self.objectives = list(objectives)
        self._tier = tier
        self._losses = losses
        self._by_fronts = limits is not None
        self.limits: list[tuple[keras_tuner.Objective, float]] = []
        for name, limit in dict(limits or {}).items():
            check_number(f"limits[{name!r}]", limit, hint=", of bytes for flash and ram")
            self.limits.append((self._limited(name), float(limit)))

    def loss(self, trial: Trial) -> float:
        """Returns the score of a completed trial, negated if large scores are better."""
        if self._losses is not None:
            return self._losses(trial)[0]
        return float(-trial.score if self.objectives[0].direction == "max" else trial.score)

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Returns the objectives of a completed trial, each negated if large values are better."""
        if self._losses is not None:
            return self._losses(trial)
        values = ((one, trial.metrics.get_best_value(one.name)) for one in self.objectives)
        return tuple(-value if one.direction == "max" else value for one, value in values)

    def violation(self, trial: Trial) -> float:
        """Returns by how much a completed trial breaks the limits.

        Returns:
            Sum, over all limits, of the excess as a share of the limit: 0 for a trial within all
            limits, infinity where a limited value is not known.
        """
        total = 0.0
        for objective, limit in self.limits:
            known = trial.metrics.exists(objective.name)
            value = trial.metrics.get_best_value(objective.name) if known else None
            if value is None or not math.isfinite(value):
                return math.inf
            over = limit - value if objective.direction == "max" else value - limit
            total += max(over, 0.0) / (abs(limit) or 1.0)
        return total

    def front(self, trials: Sequence[Trial]) -> list[Trial]:
        """Returns the trials within the limits that no other trial dominates.

        Returns:
            Trials of the lowest tier, those with the best first objective first.
        """
        lowest = min(map(self._tier, trials), default=0)
        comparable = [trial for trial in trials if self._tier(trial) == lowest]
        return self._front([trial for trial in comparable if self.violation(trial) == 0])

    def best(self, trials: Sequence[Trial], count: int) -> list[Trial]:
        """Returns the best trials, those within the limits first.

        Returns:
            Trials, tier after tier, by the first objective; where there are limits, front after
            front.
        """
        if not self._by_fronts:
            return heapq.nsmallest(
                count, trials, key=lambda trial: (self._tier(trial), self.loss(trial))
            )
        found: list[Trial] = []
        for tier in sorted({self._tier(trial) for trial in trials}):
            comparable = [trial for trial in trials if self._tier(trial) == tier]
            found += self._best_by_fronts(comparable, count)
        return found[:count]

    def _best_by_fronts(self, trials: Sequence[Trial], count: int) -> list[Trial]:
        beyond = {trial.trial_id: self.violation(trial) for trial in trials}
        within = [trial for trial in trials if beyond[trial.trial_id] == 0]
        best: list[Trial] = []
        while within and len(best) < count:
            front = self._front(within)
            taken = {trial.trial_id for trial in front}
            within = [trial for trial in within if trial.trial_id not in taken]
            best += front
        rest = [trial for trial in trials if beyond[trial.trial_id] > 0]
        best += sorted(rest, key=lambda trial: (beyond[trial.trial_id], self.loss(trial)))
        return best[:count]

    def _front(self, trials: Sequence[Trial]) -> list[Trial]:
        if not trials:
            return []
        marked = non_dominated(np.array([self.losses(trial) for trial in trials]))
        front = [trial for trial, first in zip(trials, marked, strict=True) if first]
        return sorted(front, key=self.loss)

    def _limited(self, name: str) -> keras_tuner.Objective:
        known = [objective for objective in self.objectives if objective.name == name]
        try:
            return known[0] if known else resolve(name)
        except ValueError:
            raise ValueError(
                f"limits: whether '{name}' is to be large or small is not known. Name a Keras "
                f"metric, a cost ({', '.join((*COSTS, *FILE_COSTS))}) or one of the objectives."
            ) from None
