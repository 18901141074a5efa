"""Checks of the arguments of an oracle."""

from collections.abc import Mapping
from typing import Any

import keras_tuner

from kerasnas.runtime.arguments import check_integer


def check(
    max_trials: Any,
    max_retries_per_trial: Any,
    max_consecutive_failed_trials: Any,
    max_proposals: Any,
    seed: Any,
    hyperparameters: Any,
    warm_start: Any,
) -> None:
    """Refuses arguments of `kerasnas.oracles.Oracle` that are of another type or out of range.

    Raises:
        TypeError: One is of another type.
        ValueError: One is out of range, or `warm_start` is no list of settings.
    """
    check_integer("max_trials", max_trials, least=1, optional=True)
    check_integer("max_retries_per_trial", max_retries_per_trial, least=0)
    check_integer(
        "max_consecutive_failed_trials", max_consecutive_failed_trials, least=1, optional=True
    )
    check_integer("max_proposals", max_proposals, least=1)
    check_integer("seed", seed, least=0, optional=True)
    if not isinstance(hyperparameters, keras_tuner.HyperParameters | None):
        raise TypeError(
            "hyperparameters must be a keras_tuner.HyperParameters. "
            f"Received: hyperparameters={hyperparameters!r}"
        )
    if isinstance(warm_start, (str, Mapping)):
        raise ValueError(
            "warm_start must be a list of settings. A proxy needs the hypermodel: pass its "
            "name to kerasnas.Tuner, or what kerasnas.oracles.proxies.rank returns here. "
            f"Received: warm_start={warm_start!r}"
        )
