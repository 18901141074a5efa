"""Local search with first improvement. White et al. 2021, arXiv:2005.02960."""

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.descent import Change, Descent, changes_of


class LocalSearchOracle(Descent):
    """Tries all one-decision changes of the best setting in random order; the first better is next.

    At a local optimum it starts anew from a random setting. A strong baseline on smooth spaces, and
    one without anything to tune.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: `initial_samples` is not positive.

    Source:
        White et al. 2021, arXiv:2005.02960, section 3; 10 initial samples and first improvement as
        in naszilla.

    Example:

    ```python
    oracle = LocalSearchOracle("val_accuracy", max_trials=50, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    def order_of_changes(self, place: Trial, rng: np.random.Generator) -> list[Change]:
        """All changes, shuffled."""
        changes = changes_of(self, place)
        return [changes[number] for number in rng.permutation(len(changes))]
