"""Aging evolution. Real et al. 2019, arXiv:1802.01548."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.proposal import Proposal


class EvolutionOracle(Oracle):
    """Aging (regularized) evolution: the population is the trials that ended last.

    The best of a random sample of the population is the parent; one of its decisions is changed.
    Failed trials never enter the population, and no architecture is trained twice.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there; the defaults of the next two follow from it.
        population_size: How many trials are alive. Defaults to a fifth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 50.
        sample_size: How many of them compete to be the parent. Defaults to a quarter of the
            population, at least 3.
        crossover: Share of the children that mix two parents before the mutation, between 0 and 1.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range, or, at the first trial, a population larger than the
            search space.

    Source:
        Real et al. 2019, arXiv:1802.01548; its population of 100 is random search at the budgets
        of Keras users, hence the smaller defaults.

    Example:

    ```python
    oracle = EvolutionOracle("val_accuracy", max_trials=50, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        sample_size: int | None = None,
        crossover: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("population_size", population_size, at_least=2, optional=True)
        check_count("sample_size", sample_size, at_least=1, optional=True)
        check_share("crossover", crossover)
        least = self.share_of_trials(3, 3, 10)
        self.population_size = population_size or self.share_of_trials(5, least, 50)
        self.sample_size = sample_size or max(3, self.population_size // 4)
        self.crossover = crossover
        self._wanted_population = population_size

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples until the population is full, then makes a child of the fittest of a few."""
        self.check_population(self._wanted_population)
        if len(self.completed) < self.population_size:
            return Proposal(genome.sample(self.hyperparameters, rng))
        parent = self._select(rng)
        values = parent.hyperparameters.values
        if rng.random() >= self.crossover:
            child = genome.mutate(self.hyperparameters, values, rng)
            return Proposal(child, (parent.trial_id,), "mutation")
        other = self._select(rng)
        mixed = genome.crossover(self.hyperparameters, values, other.hyperparameters.values, rng)
        child = genome.mutate(self.hyperparameters, mixed, rng)
        return Proposal(child, (parent.trial_id, other.trial_id), "crossover")

    def _select(self, rng: np.random.Generator) -> Trial:
        alive = self.completed[-self.population_size :]
        count = min(self.sample_size, len(alive))
        sampled = rng.choice(len(alive), size=count, replace=False)
        return min((alive[place] for place in sampled), key=self.loss)
