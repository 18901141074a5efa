"""Evolutionary search."""

from typing import Any

import keras_tuner

from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.tuners.base import Tuner
from kerasnas.tuners.inputs import check_positive


class Evolution(Tuner):
    """Search by aging evolution: mutate the best of a random sample of the young.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function build(hp).
        objective: Name of a metric, or a `keras_tuner.Objective`.
        max_trials: Number of trials.
        population_size: Trials that are alive; by default it follows from `max_trials`.
        sample_size: Trials of a tournament; by default it follows from `population_size`.
        crossover: Share of children with two parents.
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
        Real et al., Regularized Evolution for Image Classifier Architecture Search, 2019,
        arXiv:1802.01548.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Evolution(space, objective="val_accuracy", max_trials=50,
    ...                      budget=kn.Budget(flash="64KB"), directory="/tmp/runs", seed=0)
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        population_size: int | None = None,
        sample_size: int | None = None,
        crossover: float = 0.0,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive("max_trials", max_trials)
        oracle = EvolutionOracle(
            objective=objective,
            max_trials=max_trials,
            population_size=population_size,
            sample_size=sample_size,
            crossover=crossover,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(hypermodel, oracle, seed=seed, **kwargs)
