"""NSGA-II, for several objectives. Deb et al. 2002, doi:10.1109/4235.996017."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy, pareto
from kerasnas.oracles.genome import Values
from kerasnas.runtime.arguments import check_integer, check_number

# How many children are made in search of a new one, before one that is not new is proposed.
_TRIES = 20


class NSGA2(Strategy):
    """Searches for the whole trade-off between several objectives.

    The population is the best of all trials so far: the first fronts of non-dominated sorting, the
    last of them thinned out where it is crowded. A child has two parents, each the better of two
    random ones, and changes about one decision. The population is brought up to date after every
    trial instead of once a generation, which suits budgets of a hundred trainings.

    Objectives mix metrics and costs: `["val_accuracy", "flash"]`. Costs are reported by
    `kerasnas.Tuner` only. The score of a trial is its first objective; `get_pareto_trials` gives
    the trade-off, and the hypervolume in the tuner's `results()` says how it grew.

    Args:
        population_size: How many trials are parents. Defaults to a fifth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 50.
        crossover: Share of the children that have two parents, from 0 to 1.
        limits: Mapping from a metric or cost to its limit, for what is known only after training:
            at least that much of a metric to maximise, at most that much of any other. Trials
            within the limits come before all others, which rank by how much they break the limits.
            Limits on costs that are known before training belong in the tuner's budget, where they
            cost no trial.

    Raises:
        ValueError: A number out of its range, or, at the first trial, a population larger than the
            search space.

    Source:
        Deb et al. 2002, constrained domination in section VI; NSGA-Net, arXiv:1810.03522.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.NSGA2Oracle(["val_accuracy", "flash"], max_trials=100, seed=0)
    """

    multi_objective = True

    def __init__(
        self,
        population_size: int | None = None,
        crossover: float = 0.9,
        limits: Mapping[str, float] | None = None,
    ):
        check_integer("population_size", population_size, least=4, optional=True)
        check_number("crossover", crossover, least=0, most=1)
        self.population_size, self.crossover = population_size, crossover
        self.limits: Mapping[str, float] = dict(limits or {})
        # The best of the first `_seen` completed trials in order, each with its losses and by how
        # much it is beyond the limits.
        self._population: list[tuple[Trial, np.ndarray, float]] = []
        self._seen = 0

    def settings(self) -> dict[str, Any]:
        """Returns the limits, which decide what is better."""
        return {"limits": {name: float(limit) for name, limit in self.limits.items()}}

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples until the population is full, then makes a child of two of its members."""
        history.check_population(self.population_size)
        size = self.size(history)
        if len(history.completed) < size:
            return Proposal(genome.sample(history.space, rng))
        self._select(history, size)
        space = history.space
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
            if not history.ruled_out(genome.settle(space, child)):
                break
        else:
            child = genome.mutate(space, child, rng)
        child = genome.settle(space, child)
        parents = (first.trial_id, second.trial_id) if crossed else (first.trial_id,)
        return Proposal(child, parents, "crossover" if crossed else "variation")

    def size(self, history: History) -> int:
        """Returns the size of the population.

        Args:
            history: The view of the search.
        """
        least = history.share_of_trials(3, 4, 10)
        return self.population_size or history.share_of_trials(5, least, 50)

    def invalidate_cache(self) -> None:
        """Makes the population be selected from all trials again."""
        self._population, self._seen = [], 0

    def _select(self, history: History, size: int) -> None:
        """Adds each trial that has completed since, and removes the worst of the population."""
        new = history.completed[self._seen :]
        self._seen = len(history.completed)
        for trial in new:
            beyond = history.violation(trial)
            self._population.append((trial, np.array(history.losses(trial)), beyond))
            losses = np.array([losses for _, losses, _ in self._population])
            ranks = _ranks(losses, np.array([beyond for _, _, beyond in self._population]))
            room = np.zeros(len(ranks))
            for rank in range(ranks.max() + 1):
                room[ranks == rank] = pareto.crowding(losses[ranks == rank])
            order = np.lexsort((-room, ranks))[:size]
            self._population = [self._population[place] for place in order]

    def _tournament(self, rng: np.random.Generator) -> Trial:
        # The population stands in order, so the better of two is the earlier.
        return self._population[min(rng.integers(len(self._population), size=2))][0]


def _ranks(losses: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """Returns the front of each point under constrained domination: within the limits first."""
    ranks = np.zeros(len(losses), dtype=int)
    within = beyond == 0
    ranks[within] = pareto.fronts(losses[within])
    after = ranks[within].max(initial=-1) + 1
    ranks[~within] = after + np.unique(beyond[~within], return_inverse=True)[1]
    return ranks
