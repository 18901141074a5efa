"""Finding a search space by building, for hypermodels that cannot declare it."""

import copy
import re
import warnings
from collections.abc import Callable
from typing import Any

import keras_tuner

from kerasnas.hypermodels.declaring import DeclaringHyperParameters
from kerasnas.hypermodels.operations import UnknownOperation
from kerasnas.runtime.errors import describe

# A chain of conditional scopes inside one another: that many builds find what they hold.
_MAX_BUILDS = 1000
# What KerasTuner 1.4.8 says (hyperparameters.py:138).
_NO_PARENT = re.compile(r"`HyperParameter` named: (.+) not defined")


def discover(
    build: Callable[[keras_tuner.HyperParameters], Any], hp: keras_tuner.HyperParameters
) -> tuple[Any, list[str]]:
    """Build until every conditional scope was active once, and register what the builds read.

    KerasTuner fills what a scope needs with unseeded random values; here it is their defaults, so
    that the same hypermodel always gives the same space.

    Args:
        build: Builds a model; the hyperparameters that it asks for are added to its argument.
        hp: The hyperparameters known so far; the found ones are added to it.

    Returns:
        The model of the default values, and the names of the hyperparameters that its build read.

    Raises:
        Exception: What the build with the default values raised, with a note.
        ValueError: A conditional scope in which KerasTuner does not find the parent.
    """
    first = DeclaringHyperParameters.from_config(hp.get_config())
    try:
        model = build(first)
    except Exception as error:
        error.add_note(
            "The hypermodel must build with the default values of its hyperparameters, before any "
            f"trial: it was built to find the search space. Received: {first.values}"
        )
        raise
    hp.merge(first, overwrite=False)
    names = sorted({parameter.name for parameter in first.space})
    seen, waiting = list(first.active_scopes), list(first.inactive_scopes)
    for _ in range(_MAX_BUILDS):
        waiting = [scope for scope in waiting if scope not in seen]
        if not waiting:
            break
        scope = waiting[0]
        seen.append(scope)  # Once tried it is not tried again, whether or not it became active.
        trial = _activated(hp, scope)
        try:
            build(trial)
        except UnknownOperation:
            raise
        except Exception as error:
            _tell(error, scope)
        hp.merge(trial.space, overwrite=False)
        seen += [found for found in trial.active_scopes if found not in seen]
        waiting += [copy.deepcopy(found) for found in trial.inactive_scopes]
    return model, names


def _activated(hp: keras_tuner.HyperParameters, scope: list[Any]) -> keras_tuner.HyperParameters:
    """Default values everywhere but for the parents of a scope, which make it active."""
    trial = DeclaringHyperParameters.from_config(hp.get_config())
    trial.values = {condition.name: condition.values[0] for condition in scope}
    for parameter in trial.space:
        if trial.is_active(parameter):
            trial.values.setdefault(parameter.name, parameter.default)
    return trial


def _tell(error: Exception, scope: list[Any]) -> None:
    """Say which branch of the space cannot be built: its trials will fail, and it may hold more."""
    missing = _NO_PARENT.search(str(error))
    if missing:
        raise ValueError(
            f"A conditional scope on {missing[1]!r} stands where KerasTuner does not find its "
            "parent, which must be declared before it and under exactly the conditions that are "
            f'open there. Use `with kerasnas.hypermodels.scope(hp, "{missing[1]}", [...])`, which '
            "nests freely, or one scope of the values that all of them allow"
        ) from error
    branch = ", ".join(f"{condition.name}={condition.values[0]!r}" for condition in scope)
    warnings.warn(
        f"The branch of the search space at {branch} cannot be built, so its trials will fail, and "
        f"hyperparameters that it declares further on are not known: {describe(error)}",
        RuntimeWarning,
        stacklevel=2,
    )
