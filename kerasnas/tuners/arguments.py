"""Checks of a tuner's arguments, and what they stand for."""

from typing import Any

import keras
import keras_tuner
from keras_tuner.src.distribute import utils as distribute

from kerasnas.hardware.budget import Budget
from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.tuners.inputs import check_positive

_DEFAULT_MAX_TRIALS = 10


def check_hypermodel(hypermodel: Any) -> None:
    """Raise unless it is a hypermodel, or a function that can build models."""
    if isinstance(hypermodel, keras_tuner.HyperModel):
        return
    if isinstance(hypermodel, keras_tuner.Oracle):
        way_out = "the oracle is the second argument: Tuner(hypermodel, oracle)"
    elif isinstance(hypermodel, type):
        way_out = f"pass an instance, {hypermodel.__name__}(...), not the class"
    elif callable(hypermodel) and not isinstance(hypermodel, keras.layers.Layer):
        return
    else:
        way_out = "write a function that takes hyperparameters and returns a compiled model"
    raise TypeError(
        "Argument `hypermodel` must be a keras_tuner.HyperModel or a function build(hp); "
        f"{way_out}. Received: hypermodel={hypermodel!r} of type {type(hypermodel).__name__}"
    )


def choose_oracle(
    oracle: Any, objective: Any, max_trials: int | None, seed: int | None
) -> keras_tuner.Oracle:
    """Give the oracle that was passed, or the default one with these settings."""
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
        raise TypeError(f"Argument `seed` must be an integer or None. Received: seed={seed!r}")
    if oracle is None:
        if max_trials is not None:
            check_positive("max_trials", max_trials)
        return EvolutionOracle(
            objective=objective, max_trials=max_trials or _DEFAULT_MAX_TRIALS, seed=seed
        )
    if not isinstance(oracle, keras_tuner.Oracle):
        raise TypeError(
            "Argument `oracle` must be an instance of keras_tuner.Oracle, such as "
            f"kerasnas.oracles.EvolutionOracle(...). Received: oracle={oracle!r} of type "
            f"{type(oracle).__name__}"
        )
    if objective is not None or max_trials is not None:
        raise ValueError(
            "Arguments `objective` and `max_trials` belong to the oracle where one is given: pass "
            f"them to it. Received: objective={objective!r}, max_trials={max_trials!r}"
        )
    if oracle.max_trials is not None:
        check_positive("max_trials", oracle.max_trials)
    return oracle


def check_budget(budget: Any, oracle: keras_tuner.Oracle) -> None:
    """Raise unless the budget is one, and this oracle can keep it."""
    if budget is None:
        return
    if not isinstance(budget, Budget):
        raise TypeError(
            'Argument `budget` must be a kerasnas.Budget, such as Budget(flash="64KB"). '
            f"Received: budget={budget!r} of type {type(budget).__name__}"
        )
    if not hasattr(oracle, "attach"):
        raise ValueError(
            "Argument `budget` needs an oracle of kerasnas.oracles, which turns proposals away "
            f"before they become trials. Received: oracle of type {type(oracle).__name__}"
        )
    if distribute.has_chief_oracle() and not distribute.is_chief_oracle():
        raise ValueError(
            "Argument `budget` does not reach an oracle in another process: give it to the "
            f"chief's tuner only. Received: budget={budget!r} in a worker"
        )


def verbosity(fit_kwargs: dict[str, Any]) -> int:
    """Read the search's `verbose`, and turn the one for `fit` off unless asked for."""
    verbose = fit_kwargs.get("verbose", 1)
    verbose = 1 if verbose == "auto" else verbose
    if verbose not in (0, 1, 2):
        raise ValueError(
            "Argument `verbose` must be 0 (nothing), 1 (a line a trial) or 2 (Keras's lines too). "
            f"Received: verbose={verbose!r}"
        )
    if "verbose" in fit_kwargs:
        fit_kwargs["verbose"] = 2 if verbose == 2 else 0
    return int(verbose)


def name_of(hypermodel: Any) -> str:
    """Name a hypermodel; without its module, which differs when a script is imported."""
    if isinstance(hypermodel, keras_tuner.HyperModel):
        return type(hypermodel).__qualname__
    return getattr(hypermodel, "__qualname__", type(hypermodel).__qualname__)
