"""Grid search: every setting in order."""

import functools
from collections.abc import Iterable
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.engine.proposal_filter import key_of
from kerasnas.oracles.genome.decision import Decision, Value
from kerasnas.oracles.genome.settings import decide

# A range without a step has so many places on the grid, as in KerasTuner.
_SAMPLES = 10


class Grid(Strategy):
    """Tries every setting once, from the defaults on, as KerasTuner's `GridSearch` does.

    The first setting has all defaults; then the last hyperparameter changes fastest, from its
    default through its other values. Hyperparameters under conditions come after all others, and so
    change fastest, wherever they were registered. A range without a step (`Float`, and `Int` with a
    logarithmic sampling) is tried at its default and in the middles of ten equally likely parts.

    Settings that break the budget are passed over without becoming trials. When a trial asks for
    new hyperparameters, the walk begins again, and passes over settings that were tried with their
    defaults. A trial that has completed without asking for a hyperparameter does not depend on it,
    as in a plain `if`. Settings that differ from it in that one alone are passed over too.

    Source:
        `keras_tuner.oracles.GridSearchOracle` of KerasTuner 1.4.8, whose walk this is; that one
        keeps its place only in memory.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.GridOracle("val_accuracy")
    """

    multi_objective = True
    exhaustive = True

    def __init__(self) -> None:
        # Keys of the completed trials that have not asked for all known hyperparameters, by the set
        # of those that they have; and how many completed trials were read.
        self._asked: dict[frozenset[str], set[str]] = {}
        self._read = 0
        # The setting that the walk has reached, and the size of the space that it walks.
        self._at: genome.Values | None = None
        self._size = 0

    def propose(self, history: History, rng: np.random.Generator) -> Proposal | None:
        """Walks on to the next setting that is new and within the budget; None at the end."""
        space = history.space
        if self._size != len(space.space):
            self._at, self._size = None, len(space.space)
            self.invalidate_cache()
        for names, key in _partial(history, history.completed[self._read :]):
            self._asked.setdefault(names, set()).add(key)
        self._read = len(history.completed)
        running = _partial(history, history.running.values())
        at, waits, refused = self._at, False, 0
        while refused < history.max_proposals:
            at = successor(space, at)
            if at is None:
                break
            tried = history.ruled_out(at) or any(
                _repeats(at, names, keys) for names, keys in self._asked.items()
            )
            # A running trial may turn out to be the same, so the walk comes back here later.
            open_yet = not tried and any(_repeats(at, names, {key}) for names, key in running)
            waits = waits or open_yet
            if not waits:
                self._at = at
            if tried or open_yet:
                continue
            # Judged here, because the oracle would sample at random after many that do not fit.
            if history.fits(at):
                return Proposal(at, operator="grid")
            refused += 1
        self.end_reason = self._end_reason(history)
        return None

    def invalidate_cache(self) -> None:
        """Makes all trials be read again."""
        self._asked, self._read = {}, 0

    def state(self) -> dict[str, Any]:
        """Returns the position of the walk."""
        return {"at": self._at, "size": self._size}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the position of the walk."""
        self._at, self._size = state["at"], state["size"]

    def _end_reason(self, history: History) -> str:
        over = successor(history.space, self._at) is None
        if over and not history.nearest:
            return "the grid is exhausted: all of its settings were tried"
        if over:
            return (
                "the grid is exhausted: no setting is left that meets the budget; the smallest "
                f"found that does not has {history.nearest}"
            )
        return (
            f"the next {history.max_proposals} settings of the grid break the budget or were tried "
            "in other words"
            f"{f'; the smallest found has {history.nearest}' if history.nearest else ''}"
        )


def _partial(history: History, trials: Iterable[Trial]) -> list[tuple[frozenset[str], str]]:
    """Returns names and key of each trial that lacks some of the known hyperparameters."""
    found = []
    for trial in trials:
        values = trial.hyperparameters.values
        if not history.values(trial).keys() <= values.keys():
            network = genome.network_values(values)
            found.append((frozenset(network), key_of(network)))
    return found


def _repeats(values: genome.Values, names: frozenset[str], keys: set[str]) -> bool:
    """Returns whether values differ from a trial's only in names that it has not asked for."""
    shared = {name: value for name, value in values.items() if name in names}
    return len(shared) < len(values) and key_of(shared) in keys


def successor(
    space: keras_tuner.HyperParameters, values: genome.Values | None
) -> genome.Values | None:
    """Returns the setting that follows another one in the order of the grid.

    Args:
        space: The search space.
        values: A setting of the grid; None before the first.

    Returns:
        The next setting, or None after the last.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Boolean("bias")
    successor(hp, None)              # {"bias": False}
    successor(hp, {"bias": False})   # {"bias": True}
    ```
    """
    if values is None:
        return _filled(space, {})
    decided = genome.decisions_of(space, values)
    for place in reversed(range(len(decided))):
        name = decided[place].hp.name
        choices = grid_of(decided[place])
        here = choices.index(values[name])
        if here + 1 < len(choices):
            kept = {one.hp.name: values[one.hp.name] for one in decided[:place]}
            return _filled(space, {**kept, name: choices[here + 1]})
    return None


def _filled(space: keras_tuner.HyperParameters, kept: genome.Values) -> genome.Values:
    """Returns a setting with the first value of the grid for all names that `kept` lacks."""
    return decide(space, lambda one: kept.get(one.hp.name, grid_of(one)[0]))


@functools.lru_cache(maxsize=1000)
def grid_of(decision: Decision) -> tuple[Value, ...]:
    """Returns the values of one hyperparameter that a grid tries, its default first."""
    hp, domain = decision.hp, decision.domain
    smooth = domain is None or (isinstance(domain, range) and hp.step is None)
    if smooth and (domain is None or len(domain) > _SAMPLES):
        values = [hp.prob_to_value((part + 0.5) / _SAMPLES) for part in range(_SAMPLES)]
    else:
        values = list(domain or ())
    # A default of 0.3 and the step 0.30000000000000004 are the same value.
    place = decision.index(hp.default)
    default = hp.default if domain is None or place is None else domain[place]
    return tuple(dict.fromkeys([default, *values]))
