"""NSGA-II, for several objectives. Deb et al. 2002, doi:10.1109/4235.996017."""

import math
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome, pareto
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.genome import Values
from kerasnas.oracles.objectives import COSTS, FILE_COSTS, resolve
from kerasnas.oracles.proposal import Proposal

# Tries to make a child that is new, before one is proposed that is not.
_TRIES = 20


class NSGA2Oracle(Oracle):
    """Searches for the whole trade-off between several objectives.

    The population is the best of all trials so far: the first fronts of non-dominated sorting, the
    last of them thinned out where it is crowded. A child has two parents, each the better of two
    random ones, and changes about one decision. The population is brought up to date after every
    trial instead of once a generation, which suits budgets of a hundred trainings.

    Objectives mix metrics and costs: `["val_accuracy", "flash"]`. Costs are reported by
    `kerasnas.Tuner` only. The score of a trial is its first objective; `get_pareto_trials` gives
    the trade-off, and the hypervolume in the tuner's `results()` says how it grew.

    Args:
        objective: A list of metrics and costs; one alone works too.
        max_trials: As in `kerasnas.oracles.Oracle`.
        population_size: How many trials are parents. Defaults to a fifth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 50.
        crossover: Share of the children that have two parents, from 0 to 1.
        limits: Mapping from a metric or cost to its limit, for what is known only after training:
            at least that much of a metric to maximise, at most of any other. Trials within the
            limits come before all others, those by how far they are from it. What is known before
            training belongs into the tuner's budget, where it costs no trial.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range, or, at the first trial, a population larger than the
            search space.

    Source:
        Deb et al. 2002, constrained domination in section VI; NSGA-Net, arXiv:1810.03522.

    Example:

    ```python
    oracle = NSGA2Oracle(["val_accuracy", "flash"], max_trials=100, seed=0)
    tuner = kerasnas.Tuner(space, oracle=oracle, directory="runs")
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=5)
    tuner.get_pareto_trials()
    ```
    """

    multi_objective = True

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        crossover: float = 0.9,
        limits: Mapping[str, float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("population_size", population_size, at_least=4, optional=True)
        check_share("crossover", crossover)
        least = self.share_of_trials(3, 4, 10)
        self.population_size = population_size or self.share_of_trials(5, least, 50)
        self.crossover = crossover
        self._wanted_population = population_size
        self.limits = [
            (self._limited(name), check_limit(name, limit))
            for name, limit in dict(limits or {}).items()
        ]
        # The best of the first `_seen` completed trials in order, each with its losses and by how
        # much it is beyond the limits.
        self._population: list[tuple[Trial, np.ndarray, float]] = []
        self._seen = 0

    def settings(self) -> dict[str, Any]:
        """The limits, which decide what is better."""
        return {"limits": {objective.name: limit for objective, limit in self.limits}}

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples until the population is full, then makes a child of two of it."""
        self.check_population(self._wanted_population)
        if len(self.completed) < self.population_size:
            return Proposal(genome.sample(self.hyperparameters, rng))
        self._select()
        space = self.hyperparameters
        first, second = self._tournament(rng), self._tournament(rng)
        crossed = first is not second and rng.random() < self.crossover
        values = first.hyperparameters.values
        for _ in range(_TRIES):
            child: Values = dict(values)
            if crossed:
                child = genome.crossover(space, values, second.hyperparameters.values, rng)
            count = max(len(child), 1)
            for _ in range(rng.binomial(count, 1 / count)):
                child = genome.mutate(space, child, rng)
            if not self.ruled_out(genome.settle(space, child)):
                break
        else:
            child = genome.mutate(space, child, rng)
        child = genome.settle(space, child)
        parents = (first.trial_id, second.trial_id) if crossed else (first.trial_id,)
        return Proposal(child, parents, "crossover" if crossed else "variation")

    def forget(self) -> None:
        """Selects from all trials anew."""
        self._population, self._seen = [], 0

    def violation(self, trial: Trial) -> float:
        """By how much of the limits a completed trial is beyond them; 0 within all."""
        total = 0.0
        for objective, limit in self.limits:
            known = trial.metrics.exists(objective.name)
            value = trial.metrics.get_best_value(objective.name) if known else None
            if value is None or not math.isfinite(value):
                return math.inf
            over = limit - value if objective.direction == "max" else value - limit
            total += max(over, 0.0) / (abs(limit) or 1.0)
        return total

    def get_pareto_trials(self) -> list[Trial]:
        """The trials within the limits that no other one dominates, the first objective first."""
        with self._lock:
            feasible = [trial for trial in self.completed if self.violation(trial) == 0]
            return self._front_of(feasible)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Trials front after front, those within the limits first.

        Args:
            num_trials: How many at most.

        Returns:
            Trials; within a front, those with the best first objective first.
        """
        with self._lock:
            beyond = [self.violation(trial) for trial in self.completed]
            within = [t for t, over in zip(self.completed, beyond, strict=True) if over == 0]
            best: list[Trial] = []
            while within and len(best) < num_trials:
                front = self._front_of(within)
                taken = {trial.trial_id for trial in front}
                within = [trial for trial in within if trial.trial_id not in taken]
                best += front
            rest = [(over, t) for t, over in zip(self.completed, beyond, strict=True) if over > 0]
            best += [t for _, t in sorted(rest, key=lambda one: (one[0], self.loss(one[1])))]
            return best[:num_trials]

    def _select(self) -> None:
        """Takes what has ended into the population, and the worst out, one after the other."""
        if self._seen > len(self.completed):
            self._population, self._seen = [], 0
        new = self.completed[self._seen :]
        self._seen = len(self.completed)
        for trial in new:
            self._population.append((trial, np.array(self.losses(trial)), self.violation(trial)))
            losses = np.array([losses for _, losses, _ in self._population])
            ranks = _ranks(losses, np.array([beyond for _, _, beyond in self._population]))
            room = np.zeros(len(ranks))
            for rank in range(ranks.max() + 1):
                room[ranks == rank] = pareto.crowding(losses[ranks == rank])
            order = np.lexsort((-room, ranks))[: self.population_size]
            self._population = [self._population[place] for place in order]

    def _tournament(self, rng: np.random.Generator) -> Trial:
        # The population stands in order, so the better of two is the earlier.
        return self._population[min(rng.integers(len(self._population), size=2))][0]

    def _limited(self, name: str) -> keras_tuner.Objective:
        known = [objective for objective in self.objectives if objective.name == name]
        try:
            return known[0] if known else resolve(name)
        except ValueError:
            raise ValueError(
                f"limits: whether '{name}' is to be large or small is not known. Name a Keras "
                f"metric, a cost ({', '.join((*COSTS, *FILE_COSTS))}) or one of the objectives."
            ) from None


def check_limit(name: str, limit: Any) -> float:
    """Refuses a limit that is not a finite number."""
    number = isinstance(limit, (int, float, np.number)) and not isinstance(limit, bool)
    if not number or not math.isfinite(limit):
        raise ValueError(
            "limits must map names to finite numbers, bytes for flash and ram. "
            f"Received: {name!r}: {limit!r}"
        )
    return float(limit)


def _ranks(losses: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """Fronts under constrained domination: those within the limits first."""
    ranks = np.zeros(len(losses), dtype=int)
    within = beyond == 0
    ranks[within] = pareto.fronts(losses[within])
    after = ranks[within].max(initial=-1) + 1
    ranks[~within] = after + np.unique(beyond[~within], return_inverse=True)[1]
    return ranks
