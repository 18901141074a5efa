"""What a proposal must pass before it becomes a trial: it is new, and within the budget."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values
from kerasnas.runtime.files import CannotWriteError

# Verdicts are remembered so that a setting proposed again is not measured again.
_REMEMBERED = 50_000


class ProposalFilter:
    """The check of the budget and for repeats, and the counts of what it turned away.

    Attributes:
        gate: Callable from values to the violations of the budget, or None.
        key: Callable from values to the name of the architecture that they build, or None.
        turned_away: How many settings broke the budget, each once a trial at most.
        repeats: How many proposals built what was tried before.
        repaired: How many proposals that broke the budget were changed until they met it.
        asked: How many settings were judged since `begin`.
        known: How many of these had been tried, or refused since `begin`, before.

    Example:

    ```python
    proposal_filter = ProposalFilter()
    proposal_filter.tried.update(proposal_filter.keys({"units": 8}))
    proposal_filter.judge({"units": 8})   # math.inf: a repeat
    ```
    """

    def __init__(self) -> None:
        self.gate: Callable[[Values], Mapping[str, Any]] | None = None
        self.key: Callable[[Values], str] | None = None
        self.turned_away = 0
        self.repeats = 0
        self.repaired = 0
        self.asked = 0
        self.known = 0
        # The setting nearest to the budget among those that broke it, for the message at the end.
        self.nearest: tuple[float, Mapping[str, Any]] | None = None
        self.tried: set[str] = set()
        # Names under which each trial counts as tried, by its id.
        self.keys_of_trials: dict[str, list[str]] = {}
        self._refused: set[str] = set()
        # Names of a small space's settings that are not ruled out; None until they are listed.
        self._left: set[str] | None = None
        # How many settings the space has, None for many, and how many registrations it had then.
        self._size: tuple[int, int | None] = (-1, None)
        self._verdicts: dict[str, tuple[str, float, Mapping[str, Any]]] = {}

    def attach(
        self,
        gate: Callable[[Values], Mapping[str, Any]] | None,
        key: Callable[[Values], str] | None,
    ) -> None:
        """Sets the two callables and forgets what the old ones said."""
        self.gate, self.key = gate, key
        self.nearest = None
        self.keys_of_trials.clear()
        self.invalidate_cache()

    def invalidate_cache(self) -> None:
        """Drops remembered verdicts, as must be done when the space grows."""
        self._verdicts.clear()

    def begin(self) -> None:
        """Starts the search for one trial: what was refused for the last one may be asked again."""
        self._refused.clear()
        self._left = None
        self.asked = self.known = 0

    def ruled_out(self, values: Values) -> bool:
        """Whether a setting was tried, or refused since `begin`."""
        name = key_of(values)
        return name in self.tried or name in self._refused

    def size(self, space: keras_tuner.HyperParameters, limit: int) -> int | None:
        """How many settings a space has, counted once; None above a limit, which stays the same."""
        if self._size[0] != len(space.space):
            self._size = len(space.space), genome.size(space, limit)
        return self._size[1]

    def exhausted(self, space: keras_tuner.HyperParameters, limit: int) -> bool:
        """Whether every setting was tried, or refused since `begin`.

        Args:
            space: The search space.
            limit: The most settings that are listed to find out.

        Returns:
            True when none is left; False too where the space has more than `limit`.
        """
        count = self.size(space, limit)
        # More names than settings at most: architectures have theirs.
        if count is None or len(self.tried) + len(self._refused) < count:
            return False
        if self._left is None:
            names = {key_of(values) for values in genome.enumerate_settings(space)}
            self._left = names - self.tried - self._refused
        return not self._left

    def judge(self, values: Values) -> float:
        """Judges a proposal and counts it.

        Args:
            values: The setting.

        Returns:
            0 when it may become a trial, infinity when it was tried before, else by how much it
            breaks the budget: the sum of the shares above each limit.
        """
        self.asked += 1
        name = key_of(values)
        refused = name in self._refused
        self.known += refused or name in self.tried
        if name in self.tried:
            self.repeats += 1
            return math.inf
        architecture, excess, violations = self._verdict(name, values)
        if architecture in self.tried:
            self.repeats += 1
            self._refuse(name)
            return math.inf
        if excess > 0:
            self.turned_away += not refused
            self._refuse(name)
            if self.nearest is None or excess < self.nearest[0]:
                self.nearest = (excess, violations)
        return excess

    def excess(self, values: Values) -> float:
        """By how much a setting breaks the budget, without counting it."""
        return self._verdict(key_of(values), values)[1]

    def violations(self, values: Values) -> Mapping[str, Any]:
        """Which limits of the budget a setting breaks, without counting it."""
        return self._verdict(key_of(values), values)[2]

    def keys(self, values: Values) -> list[str]:
        """The names under which a setting counts as tried: its values' and its architecture's."""
        name = key_of(values)
        if self.key is None:
            return [name]
        try:
            return [name, _hash(f"architecture {self.key(values)}")]
        except CannotWriteError:
            # A tuner journals what it builds. The disk is no fault of the values.
            raise
        except Exception:
            # The trial that these values become fails for the same cause, and says it.
            return [name]

    def remember(self, trial_id: str, values: Values) -> None:
        """Notes that a trial tries a setting."""
        self.tried.update(self.keys_of(trial_id, values))

    def keys_of(self, trial_id: str, values: Values) -> list[str]:
        """Returns the names of a trial's setting; they are found once, which can mean a build.

        Args:
            trial_id: The trial.
            values: Its setting.

        Returns:
            The names under which the setting counts as tried.
        """
        known = self.keys_of_trials.get(trial_id, [])
        complete = 1 if self.key is None else 2
        if len(known) < complete or known[0] != key_of(values):
            known = self.keys_of_trials[trial_id] = self.keys(values)
        return known

    def smallest(self) -> str:
        """Says how near to the budget any proposal came, for a message."""
        if self.nearest is None:
            return ""
        return describe(self.nearest[1])

    def _refuse(self, name: str) -> None:
        self._refused.add(name)
        if self._left is not None:
            self._left.discard(name)

    def _verdict(self, name: str, values: Values) -> tuple[str, float, Mapping[str, Any]]:
        known = self._verdicts.get(name)
        if known is None:
            violations = self._ask_gate(values)
            known = (self.keys(values)[-1], _excess(violations), violations)
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[name] = known
        return known

    def _ask_gate(self, values: Values) -> Mapping[str, Any]:
        if self.gate is None:
            return {}
        try:
            return self.gate(values)
        except (keras_tuner.errors.FatalError, CannotWriteError):
            # What would fail every trial ends the search at once.
            raise
        except Exception:
            # As for the key: the trial itself fails, with the reason.
            return {}


def key_of(values: Mapping[str, Any]) -> str:
    """Names a setting by its values, the same in every process."""
    return _hash(json.dumps(values, sort_keys=True, separators=(",", ":")))


def describe(violations: Mapping[str, Any]) -> str:
    """Writes violations as `flash=70000 > limit 65536`."""
    return ", ".join(
        f"{limit}={_number(violation.value)} > limit {_number(violation.limit)}"
        for limit, violation in violations.items()
    )


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.4g}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _excess(violations: Mapping[str, Any]) -> float:
    total = 0.0
    for violation in violations.values():
        over = float(violation.value) - float(violation.limit)
        # A limit that is named is broken, whatever its numbers round to.
        total += max(over / violation.limit if violation.limit else over, 1e-9)
    return total
