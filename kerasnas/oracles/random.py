"""Random search: the baseline that every strategy must beat."""

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy


class Random(Strategy):
    """Uniform random search, each architecture at most once.

    Under a budget it is uniform over the settings that fit; only where 100 samples in a row do not
    fit, the nearest of them is repaired. It takes several objectives: the best trials are then
    those that no other one beats in all.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.RandomOracle("val_accuracy", max_trials=20, seed=0)
    """

    multi_objective = True
    # Repairs are not uniform: they prefer settings with many neighbours that do not fit.
    patience = 100

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples a setting."""
        return Proposal(genome.sample(history.space, rng))
