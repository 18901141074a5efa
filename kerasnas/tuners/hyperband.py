"""Hyperband search."""

from typing import Any

import keras_tuner

from kerasnas.oracles.hyperband import HyperbandOracle
from kerasnas.tuners.base import Tuner
from kerasnas.tuners.inputs import check_positive


class Hyperband(Tuner):
    """Search by Hyperband: train many a little, and the best of them on.

    A promoted trial starts from its parent's best epoch, the optimizer's state and step count
    included.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function build(hp).
        objective: Name of a metric, or a `keras_tuner.Objective`.
        max_epochs: Epochs of a trial that reaches the last round.
        factor: Which part of a round is promoted, and by how much its epochs grow.
        hyperband_iterations: How often all brackets are run.
        seed: Seed of the search and of the training.
        hyperparameters: Overrides entries of the space, as in KerasTuner.
        tune_new_entries: Whether entries that `hyperparameters` lacks are searched.
        allow_new_entries: Whether the hypermodel may ask for such entries.
        max_retries_per_trial: How often a failed trial is tried again.
        max_consecutive_failed_trials: Ends the search after so many; None for never.
        **kwargs: Arguments of `kerasnas.Tuner`: budget, max_time, directory, project_name ...

    Raises:
        TypeError: An argument of the wrong type.
        ValueError: An argument out of range.

    Source:
        Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, 2018,
        JMLR 18(185).

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Hyperband(space, objective="val_accuracy", max_epochs=9, directory="/tmp/runs")
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int = 1,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive("max_epochs", max_epochs)
        oracle = HyperbandOracle(
            objective=objective,
            max_epochs=max_epochs,
            factor=factor,
            hyperband_iterations=hyperband_iterations,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(hypermodel, oracle, seed=seed, **kwargs)
