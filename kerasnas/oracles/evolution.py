"""Aging evolution. Real et al. 2019, arXiv:1802.01548."""

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.runtime.arguments import check_integer, check_number


class Evolution(Strategy):
    """Aging (regularized) evolution: the population is the trials that ended last.

    The best of a random sample of the population is the parent; one of its decisions is changed.
    Failed trials never enter the population, and no architecture is trained twice.

    Args:
        population_size: How many trials are alive. Defaults to a fifth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 50.
        sample_size: How many of them compete to be the parent. Defaults to a quarter of the
            population, at least 3.
        crossover: Share of the children that mix two parents before the mutation, between 0 and 1.

    Raises:
        ValueError: A number out of its range, or, at the first trial, a population larger than the
            search space.

    Source:
        Real et al. 2019, arXiv:1802.01548; its population of 100 is random search at the budgets
        of Keras users, hence the smaller defaults.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.EvolutionOracle("val_accuracy", max_trials=50, seed=0)
    """

    def __init__(
        self,
        population_size: int | None = None,
        sample_size: int | None = None,
        crossover: float = 0.0,
    ):
        check_integer("population_size", population_size, least=2, optional=True)
        check_integer("sample_size", sample_size, least=1, optional=True)
        check_number("crossover", crossover, least=0, most=1)
        self.population_size, self.sample_size = population_size, sample_size
        self.crossover = crossover

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples until the population is full, then makes a child of the fittest of a few."""
        history.check_population(self.population_size)
        population_size, sample_size = self.sizes(history)
        if len(history.completed) < population_size:
            return Proposal(genome.sample(history.space, rng))
        alive = history.completed[-population_size:]

        def select() -> Trial:
            sampled = rng.choice(len(alive), size=min(sample_size, len(alive)), replace=False)
            return min((alive[place] for place in sampled), key=history.loss)

        parent = select()
        values = parent.hyperparameters.values
        if rng.random() >= self.crossover:
            child = genome.mutate(history.space, values, rng)
            return Proposal(child, (parent.trial_id,), "mutation")
        other = select()
        mixed = genome.crossover(history.space, values, other.hyperparameters.values, rng)
        child = genome.mutate(history.space, mixed, rng)
        return Proposal(child, (parent.trial_id, other.trial_id), "crossover")

    def sizes(self, history: History) -> tuple[int, int]:
        """Returns the sizes of the population and of the sample.

        Args:
            history: The view of the search.
        """
        least = history.share_of_trials(3, 3, 10)
        population_size = self.population_size or history.share_of_trials(5, least, 50)
        return population_size, self.sample_size or max(3, population_size // 4)
