"""Local search with first improvement. White et al. 2021, arXiv:2005.02960."""

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.hill_climbing import Change, HillClimbing, changes_of


class LocalSearch(HillClimbing):
    """Tries all one-decision changes of the best setting in random order; the first better is next.

    At a local optimum it starts anew from a random setting. A strong baseline on smooth spaces, and
    one without anything to tune.

    Args:
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.

    Raises:
        ValueError: `initial_samples` is not positive.

    Source:
        White et al. 2021, arXiv:2005.02960, section 3; 10 initial samples and first improvement as
        in naszilla.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.LocalSearchOracle("val_accuracy", max_trials=50, seed=0)
    """

    def order_of_changes(
        self, history: History, place: Trial, rng: np.random.Generator
    ) -> list[Change]:
        """Returns all changes, shuffled."""
        changes = changes_of(history, place)
        return [changes[number] for number in rng.permutation(len(changes))]
