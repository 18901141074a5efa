"""Optuna's CMA-ES without pickles: its distribution is computed again from the ended trials.

Optuna keeps the distribution as a pickle in the attributes of trials. A resumed search would load
it, and a pickle can execute anything.

Private parts of Optuna, as read in 5.0.0: `CmaEsSampler._restore_optimizer`, `_init_optimizer` and
`_attr_key_generation`, and `_SearchSpaceTransform`.
"""

import copy
from typing import Any

import numpy as np

# Prefixes of the attributes that CMA-ES reads back from trials.
PREFIXES = ("cma:", "sepcma:", "cmawm:")
_PICKLES = tuple(f"{prefix}optimizer" for prefix in PREFIXES)
# The point that CMA-ES with margin has drawn, before it was rounded.
_DRAWN = "x_for_tell"


def without_pickles(attributes: dict[str, Any]) -> dict[str, Any]:
    """Returns the attributes of a trial without those that Optuna would unpickle."""
    return {name: value for name, value in attributes.items() if not name.startswith(_PICKLES)}


class Replay:
    """Computes the distribution of CMA-ES from the trials of a study.

    A generation is told the first trials to complete of those that were drawn from it, as many as
    its population has. What a generation was told stays the same, whatever ends later, so each
    trial is told once, and a resumed search has the distribution of an unbroken one.
    """

    def __init__(self) -> None:
        # By search space: the distribution, how many trials it has read, and those of them that
        # its next update waits to be told.
        self._states: dict[str, tuple[Any, int, list[tuple[np.ndarray, float]]]] = {}

    def lend(self, sampler: Any, ended: list[Any]) -> None:
        """Makes a sampler use this distribution for one ask.

        Args:
            sampler: A `CmaEsSampler`, a copy for this ask.
            ended: The completed trials of the study, in the order of their ends.
        """
        fresh = type(sampler)._init_optimizer

        def current(space: Any, direction: Any) -> Any:
            optimizer = self._follow(copy.deepcopy(sampler), space, direction, ended)
            if not any(trial.system_attrs.get(sampler._attr_key_generation) for trial in ended):
                # As long as Optuna has nothing to go on from, it draws a seed here.
                fresh(sampler, space, direction)
            return copy.deepcopy(optimizer)

        sampler._restore_optimizer = lambda completed: None
        sampler._init_optimizer = current

    def _follow(self, sampler: Any, space: Any, direction: Any, ended: list[Any]) -> Any:
        name = str(space._search_space)
        if name not in self._states:
            optimizer = type(sampler)._init_optimizer(sampler, space, direction)
            self._states[name] = optimizer, 0, []
        optimizer, read, solutions = self._states[name]
        for trial in ended[read:]:
            point = _point(trial, space, sampler)
            if trial.system_attrs.get(sampler._attr_key_generation) != optimizer.generation:
                continue
            if point is not None:
                solutions.append((point, trial.value))
            if len(solutions) == optimizer.population_size:
                optimizer.tell(solutions)
                # Optuna itself goes on with a copy, which it has stored and read.
                optimizer, solutions = copy.deepcopy(optimizer), []
        self._states[name] = optimizer, len(ended), solutions
        return optimizer


def _point(trial: Any, space: Any, sampler: Any) -> np.ndarray | None:
    """Returns the point of a trial in the distribution's space; None if it has another space."""
    if not space._search_space.keys() <= trial.params.keys():
        return None
    if sampler._with_margin:
        return np.array(trial.system_attrs[_DRAWN]) if _DRAWN in trial.system_attrs else None
    return np.asarray(space.transform({name: trial.params[name] for name in space._search_space}))
