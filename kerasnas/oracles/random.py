"""Random search: the baseline that every strategy must beat."""

from typing import Any

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle
from kerasnas.oracles.proposal import Proposal


class RandomOracle(Oracle):
    """Uniform random search, each architecture at most once.

    Under a budget it is uniform over what fits; only where 100 samples in a row do not fit, the
    nearest of them is repaired.

    Args:
        objective: As in `kerasnas.oracles.Oracle`; of several, the best trials are those that no
            other one beats in all.
        max_trials: As there.
        seed: As there.
        hyperparameters: As there.
        **kwargs: As there.

    Example:

    ```python
    oracle = RandomOracle("val_accuracy", max_trials=20, seed=0)
    ```
    """

    multi_objective = True
    # A repair prefers the settings that much surrounds that does not fit.
    patience = 100

    # In the order of `keras_tuner.RandomSearch`, for scripts that give them by position.
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, hyperparameters, seed=seed, **kwargs)

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples a setting."""
        return Proposal(genome.sample(self.hyperparameters, rng))
