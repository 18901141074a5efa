"""Finding a search space by building, for hypermodels that cannot declare it."""

import copy
from collections.abc import Callable
from typing import Any

import keras_tuner

from kerasnas.hypermodels.operations import UnknownOperation

# A chain of conditional scopes inside one another: that many builds find what they hold.
_MAX_BUILDS = 1000


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
    """
    try:
        model = build(hp)
    except Exception as error:
        error.add_note(
            "The hypermodel must build with the default values of its hyperparameters, before any "
            f"trial: it was built to find the search space. Received: {hp.values}"
        )
        raise
    names = sorted({parameter.name for parameter in hp.space})
    seen, waiting = list(hp.active_scopes), list(hp.inactive_scopes)
    for _ in range(_MAX_BUILDS):
        waiting = [scope for scope in waiting if scope not in seen]
        if not waiting:
            break
        scope = waiting[0]
        seen.append(scope)  # Once tried it is not tried again, whether or not it became active.
        trial = _activated(hp, scope)
        # A branch that does not build is a failed trial later, where its reason is shown.
        try:
            build(trial)
        except UnknownOperation:
            raise
        except Exception:
            pass
        hp.merge(trial.space, overwrite=False)
        seen += [found for found in trial.active_scopes if found not in seen]
        waiting += [copy.deepcopy(found) for found in trial.inactive_scopes]
    return model, names


def _activated(hp: keras_tuner.HyperParameters, scope: list[Any]) -> keras_tuner.HyperParameters:
    """Default values everywhere but for the parents of a scope, which make it active."""
    trial = hp.copy()
    trial.values = {condition.name: condition.values[0] for condition in scope}
    for parameter in trial.space:
        if trial.is_active(parameter):
            trial.values.setdefault(parameter.name, parameter.default)
    return trial
