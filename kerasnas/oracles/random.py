"""Random search: the baseline that every strategy must beat."""

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle
from kerasnas.oracles.proposal import Proposal


class RandomOracle(Oracle):
    """Uniform random search, each architecture at most once.

    Under a budget it is uniform over what fits; only where 100 samples in a row do not fit, the
    nearest of them is repaired.

    Takes the arguments of `kerasnas.oracles.Oracle`.

    Example:

    ```python
    oracle = RandomOracle("val_accuracy", max_trials=20, seed=0)
    ```
    """

    # A repair prefers the settings that much surrounds that does not fit.
    patience = 100

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples a setting."""
        return Proposal(genome.sample(self.hyperparameters, rng))
