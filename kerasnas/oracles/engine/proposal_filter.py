"""The check that a proposal is new and within the budget, before it becomes a trial."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values
from kerasnas.runtime.files import CannotWriteError

# How many verdicts are kept, so that a setting that is proposed again is not measured again.
_REMEMBERED = 50_000


class ProposalFilter:
    """Turns away repeats and settings that break the budget, and counts them.

    Attributes:
        gate: Callable from values to the violations of the budget, or None.
        key: Callable from values to a string that identifies their architecture, or None.
        work: Callable from values to the multiply-accumulates of their network, or None.
        turned_away: How many settings broke the budget; each counts once for each trial that is
            looked for.
        repeats: How many proposals were of an architecture that was tried before.
        repaired: How many proposals that broke the budget were changed until they met it.
        asked: How many settings were judged since `begin`.
        known: How many of these were already tried, or already refused since `begin`.

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
        self.work: Callable[[Values], float | None] | None = None
        self.turned_away = 0
        self.repeats = 0
        self.repaired = 0
        self.asked = 0
        self.known = 0
        # By how much the setting nearest to the budget breaks it, and which limits, for the message
        # at the end of the search.
        self.nearest: tuple[float, Mapping[str, Any]] | None = None
        self.tried: set[str] = set()
        # The keys under which each trial counts as tried, by its id.
        self.keys_of_trials: dict[str, list[str]] = {}
        self._refused: set[str] = set()
        # Keys of the settings of a small space that are left; None until they are listed.
        self._left: set[str] | None = None
        # How many hyperparameters the space had when its settings were counted, and the count; None
        # for too many.
        self._size: tuple[int, int | None] = (-1, None)
        self._verdicts: dict[str, tuple[str, float, Mapping[str, Any]]] = {}

    def attach(
        self,
        gate: Callable[[Values], Mapping[str, Any]] | None,
        key: Callable[[Values], str] | None,
        work: Callable[[Values], float | None] | None = None,
    ) -> None:
        """Sets `gate`, `key` and `work`, and forgets the answers of the old ones.

        Args:
            gate: Callable from values to the broken limits, {} for none, or None.
            key: Callable from values to a string for their architecture, or None.
            work: Callable from values to the multiply-accumulates of their network, or None.
        """
        self.gate, self.key, self.work = gate, key, work
        self.nearest = None
        self.keys_of_trials.clear()
        self.invalidate_cache()

    def invalidate_cache(self) -> None:
        """Drops remembered verdicts, which is necessary when the space grows."""
        self._verdicts.clear()

    def begin(self) -> None:
        """Begins to look for another trial, for which refused settings may be judged again."""
        self._refused.clear()
        self._left = None
        self.asked = self.known = 0

    def ruled_out(self, values: Values) -> bool:
        """Returns whether a setting was tried, or refused since `begin`."""
        name = key_of(values)
        return name in self.tried or name in self._refused

    def size(self, space: keras_tuner.HyperParameters, limit: int) -> int | None:
        """Returns how many settings a space has, which is counted once.

        Args:
            space: The search space.
            limit: The largest number to count to, the same in every call.

        Returns:
            The number, or None where it is above the limit.
        """
        if self._size[0] != len(space.space):
            self._size = len(space.space), genome.size(space, limit)
        return self._size[1]

    def exhausted(self, space: keras_tuner.HyperParameters, limit: int) -> bool:
        """Returns whether every setting was tried, or refused since `begin`.

        Args:
            space: The search space.
            limit: The most settings that are listed to find out.

        Returns:
            True when no setting is left; False also where the space has more than `limit`.
        """
        count = self.size(space, limit)
        # Settings and architectures have keys here: with fewer keys than settings, some are left.
        if count is None or len(self.tried) + len(self._refused) < count:
            return False
        if self._left is None:
            names = {key_of(values) for values in genome.enumerate_settings(space)}
            self._left = names - self.tried - self._refused
        return not self._left

    def judge(self, values: Values) -> float:
        """Judges a proposal and counts it.

        Returns:
            0 when it may become a trial, infinity when it was tried before, otherwise the sum, over
            the broken limits, of the excess as a share of the limit.
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
        """Returns by how much a setting breaks the budget, as `judge` does, without counting it."""
        return self._verdict(key_of(values), values)[1]

    def violations(self, values: Values) -> Mapping[str, Any]:
        """Returns the limits that a setting breaks, by name, without counting it."""
        return self._verdict(key_of(values), values)[2]

    def keys(self, values: Values) -> list[str]:
        """Returns the keys under which a setting counts as tried: by values and architecture."""
        name = key_of(values)
        if self.key is None:
            return [name]
        try:
            return [name, _hash(f"architecture {self.key(values)}")]
        except CannotWriteError:
            # A tuner writes to the journal while it builds: a full disk says nothing of the values.
            raise
        except Exception:
            # A trial of these values will fail with the same error, and report it.
            return [name]

    def remember(self, trial_id: str, values: Values) -> None:
        """Notes that a trial tries a setting."""
        self.tried.update(self.keys_of(trial_id, values))

    def keys_of(self, trial_id: str, values: Values) -> list[str]:
        """Returns the keys of a trial's setting.

        They are kept, because finding them may need a build.

        Returns:
            The keys under which the setting counts as tried.
        """
        known = self.keys_of_trials.get(trial_id, [])
        complete = 1 if self.key is None else 2
        if len(known) < complete or known[0] != key_of(values):
            known = self.keys_of_trials[trial_id] = self.keys(values)
        return known

    def smallest(self) -> str:
        """Returns the limits that the setting nearest to the budget breaks, as text."""
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
            # These errors would fail every trial, so they end the search.
            raise
        except Exception:
            # As for the key: the trial will fail with the same error, and report it.
            return {}


def key_of(values: Mapping[str, Any]) -> str:
    """Returns the key of a setting: a hash of its values, the same in every process."""
    return _hash(json.dumps(values, sort_keys=True, separators=(",", ":")))


def describe(violations: Mapping[str, Any]) -> str:
    """Returns violations as text: `flash=70000 > limit 65536`."""
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
        # The gate says that this limit is broken, even if rounding hides it.
        total += max(over / violation.limit if violation.limit else over, 1e-9)
    return total
