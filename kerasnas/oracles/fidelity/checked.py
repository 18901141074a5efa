"""Short trainings whose ranking is checked on the user's own networks and data."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine import Fidelity, History, Plan, Propose
from kerasnas.oracles.engine.fidelity import SearchCall, named
from kerasnas.oracles.fidelity.lengths import (
    FULL,
    Lengths,
    ShorterTraining,
    kendall,
    schedule,
    shorter_trainings,
)
from kerasnas.runtime.arguments import check_integer, check_number

# The check may take this share of the search. Where it compares two short trainings and the search
# then goes on with the longer one, only the shorter one is lost: it may take this share, and both
# the next. Full trainings of the best may have the last share of what was trained.
_CHECK, _BOTH, _FINALS = 0.1, 0.3, 1 / 3
# With a limit of time, the best of the first networks is trained in full before the check goes on,
# if that takes this share of the search at most: then there is something to use, whatever happens.
_FIRST_RESULT = 1 / 8
# So many trials at the end of a search with a limit of trials are full trainings of the best.
_KEEP = 3
# The fewest networks that give an interval at all; the fewest finalists that are judged; and after
# how many networks the check may be given up, since the first of a process takes longer.
_FEWEST_NETWORKS, _FEWEST_FINALISTS, _GIVEN_UP = 6, 8, 3
# The share of the shortest training that passes before its first step, until it is known.
_START = 0.5

# Names in the lineages of trials.
_LENGTHS, _REFERENCE, _CHOSEN, _CHOICE = "lengths", "reference", "chosen", "choice"
_TOO_SHORT = "the search is too short to check a shorter training"
_NOT_KNOWN = "the tuner does not say how many epochs that is"


@named("auto")
class CheckedFidelity(Fidelity):
    """Finds the shortest training that ranks networks well enough, and trains the best in full.

    The first networks of the search are trained for a short time and then again for longer ones,
    as far as a tenth of the search allows, up to a full training. Where the two agree well on
    their order, the search goes on with the short training, or with the next longer one where the
    check did not reach a full one. If not, the next longer one is checked in the same way. Where
    none agrees, the interval of the agreement reaches down to 0, or there is no time or too little
    data to check it, every network is trained in full. `choice` says which, and why.

    With a limit of time, the best of the first networks is trained in full before the check goes
    on, if that does not take long. With a short training, the best networks so far are trained in
    full, from scratch, all along the search, for a third of its time. If the short and the full
    scores of these turn out to be in opposite orders, all later networks are trained in full.

    `kerasnas.Tuner(..., fidelity="auto")` takes it. A full training has the epochs of the call of
    `search`; under a tuner of KerasTuner's, which does not say how many these are, every network is
    trained in full.

    Args:
        networks: How many networks the check trains.
        agreement: The least Kendall's tau that is good enough, from 0 to 1.

    Raises:
        ValueError: A number out of its range.

    Source:
        Short trainings and full ones of the best: Bohdal et al. 2023, arXiv:2307.15422.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.Oracle(kn.oracles.Predictor(), "val_accuracy", 50, fidelity="auto")
    """

    goes_on = True

    def __init__(self, networks: int = 8, agreement: float = 0.6):
        check_integer("networks", networks, least=_FEWEST_NETWORKS)
        check_number("agreement", agreement, least=0, most=1)
        self.networks, self.agreement = networks, agreement
        self.choice = self._noted = ""  # The latter as lineages have it.
        self._call = SearchCall()
        # The shorter lengths, the shortest first; the one that others are checked by; and the one
        # that was chosen. Lineages hold all three, so that a resumed search keeps to them.
        self._shorter: list[ShorterTraining] | None = None
        self._reference: int | None = None
        self._chosen: int | None = None
        self._judged = 0  # How many full trainings there were when they were last judged.
        self._found = ""  # What the last check has come to.

    def check_objectives(self, names: Sequence[str]) -> None:
        """Takes any objectives: with several, every network is trained in full."""

    @property
    def trains_in_full(self) -> bool:
        """False: there are short trainings, too."""
        return False

    def begin(self, history: History) -> None:
        """Prepares for a search, whose lengths are read from the lineages of the trials."""
        super().begin(history)
        self._lengths = Lengths(history, self._cost)
        for trial in history.started:
            notes = history.lineage(trial.trial_id)
            if _LENGTHS in notes:
                self._shorter = [ShorterTraining(*length) for length in notes[_LENGTHS]]
            self._reference = notes.get(_REFERENCE, self._reference)
            self._chosen = notes.get(_CHOSEN, self._chosen)
            self.choice = self._noted = notes.get(_CHOICE, self.choice)

    def prepare(self, call: SearchCall) -> None:
        """Takes how long a full training is, from which the shorter ones follow."""
        self._call = call
        if self._shorter is None:
            self._shorter = shorter_trainings(call)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that decide about the lengths."""
        return {"networks": self.networks, "agreement": self.agreement}

    def tier(self, trial: Trial) -> int:
        """Ranks longer trainings before shorter ones."""
        return self._lengths.tier(trial)

    def view(self) -> History:
        """Returns each network once, with an estimate of its loss after a full training."""
        return self._lengths.view()

    def next_trial(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns a trial of the check, a training of a new network, or a full one of the best."""
        self._lengths.read()
        plan = self._next_of_check(propose, exhausted) if self._chosen is None else None
        if plan is None and self._chosen is not None:
            self._check_finalists()
            plan = self._next_of_search(self._chosen, propose, exhausted)
        if plan is None:
            return None
        decided: dict[str, Any] = {_REFERENCE: self._reference, _CHOSEN: self._chosen}
        notes = {name: value for name, value in decided.items() if value is not None}
        if not self.history.started:
            notes[_LENGTHS] = self._shorter or []
        if self.choice != self._noted:
            notes[_CHOICE] = self._noted = self.choice
        return dataclasses.replace(plan, notes={**plan.notes, **notes})

    # ------------------------------------------------------------------ the check

    def _next_of_check(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns a trial of the check, or None once the length is chosen or while it waits."""
        if not self._shorter:
            known = self._call.epochs is not None
            self._choose(FULL, "a full training is short already" if known else _NOT_KNOWN)
            return None
        if len(self.history.objectives) > 1:
            self._choose(FULL, "there are several objectives")
            return None
        tested = self._tested()
        ladder = [*range(len(self._shorter)), FULL]
        if len(tested) >= _FEWEST_NETWORKS:
            plan = self._first_result()
            if plan is not None:
                return plan
        if len(tested) < self.networks or self._lengths.running(0):
            ended = sorted(self._lengths.best(0), key=lambda one: self._needed(one, FULL))
            fast = ended[:1] * _FEWEST_NETWORKS  # As if all were as fast as the fastest.
            if len(ended) >= _GIVEN_UP and not self._is_affordable(1, ladder, fast):
                self._choose(FULL, _TOO_SHORT)
                return None
            # Other workers need not wait for the check: what they train is of use after it.
            plan = self._new(0, propose)
            if plan is not None or not exhausted():
                return plan
            self._choose(FULL, f"the space has only {len(tested)} networks that can be trained")
            return None
        if self._reference is None:
            while tested and not self._is_affordable(1, ladder, tested):
                tested = tested[:-1] if len(tested) > _FEWEST_NETWORKS else []
            if not tested:
                self._choose(FULL, _TOO_SHORT)
                return None
            plan = self._missing(ladder[1], tested)
            if plan is not None or self._lengths.running(ladder[1]):
                return plan or self._new(0, propose)
            # How long both have taken tells how long others would.
            places = range(2, len(ladder))
            affordable = [at for at in places if self._is_affordable(at, ladder, tested)]
            self._reference = ladder[max(affordable, default=1)]
        tested = [one for one in tested if ladder[1] in self._lengths.networks[one]]
        between = ladder[: ladder.index(self._reference)]
        for length in (self._reference, *between):
            plan = self._missing(length, tested)
            if plan is not None or self._lengths.running(length):
                return plan or self._new(0, propose)
            if length != self._reference and self._is_good(length, tested):
                return None
        self._choose(FULL, "no shorter training ranks networks well enough")
        return None

    def _first_result(self) -> Plan | None:
        """Returns the full training of the best network so far that takes little time."""
        if self._call.seconds is None or any(
            FULL in all_ for all_ in self._lengths.networks.values()
        ):
            return None
        limit = min(_FIRST_RESULT * self._call.seconds, self._call.left)
        cheap = (one for one in self._lengths.best(0) if self._needed(one, FULL) <= limit)
        best = next(cheap, None)
        return None if best is None else self._lengths.again(best, FULL, {})

    def _missing(self, length: int, tested: Sequence[str]) -> Plan | None:
        """Returns the training of the next network of the check that lacks one of this length."""
        for network in tested:
            if length not in self._lengths.networks[network]:
                return self._lengths.again(network, length, self._schedule(length), "check")
        return None

    def _tested(self) -> list[str]:
        """Returns the networks of the check: the first ones whose trainings have not failed."""
        found = [
            network
            for network, trials in self._lengths.networks.items()
            if 0 in trials and all(one.status != "FAILED" for one in trials.values())
        ]
        return found[: self.networks]

    def _is_affordable(self, place: int, ladder: Sequence[int], tested: Sequence[str]) -> bool:
        """Returns whether there is time to train the networks of the check for a length."""
        mean = {
            length: statistics.fmean(self._needed(one, length) for one in tested)
            for length in {ladder[0], ladder[1], ladder[place], FULL}
        }
        limit, most = self._call.seconds, self.history.max_trials
        if most is not None:
            if most < 4 * self.networks:
                return False
            limit = min(most * mean[FULL], math.inf if limit is None else limit)
        if limit is None:
            return True
        if place == 1 and len(ladder) > 2:
            both = mean[ladder[0]] + mean[ladder[1]]
            lost = len(tested) * mean[ladder[0]] <= _CHECK * limit
            return lost and len(tested) * both <= _BOTH * limit
        # A length between those of the check may be checked as well.
        between = 0.5 * mean[ladder[place]] if place > 2 else 0.0
        together = sum(mean[length] for length in {*ladder[:2], ladder[place]}) + between
        return len(tested) * together <= _CHECK * limit

    def _needed(self, network: str, length: int) -> float:
        return self._lengths.needed(network, length, _START)

    def _is_good(self, length: int, tested: Sequence[str]) -> bool:
        """Chooses a length if it ranks the networks of the check well enough."""
        reference = self._reference or FULL
        tau, low, high, count = self._agreement(length, reference, tested)
        self._found = (
            f"{self._told(length)} ranks {count} networks as {self._told(reference)} does with a "
            f"Kendall's tau of {tau:.2f} (90% interval {low:.2f} to {high:.2f})"
        )
        if count < _FEWEST_NETWORKS or tau < self.agreement or low <= 0:
            return False
        # What agrees with a training that is not a full one may still agree less with that.
        self._choose(length if reference == FULL else min(length + 1, reference), self._found)
        return True

    def _agreement(
        self, length: int, other: int, networks: Sequence[str]
    ) -> tuple[float, float, float, int]:
        pairs = (
            (self._lengths.loss(one, length), self._lengths.loss(one, other)) for one in networks
        )
        both = [(here, there) for here, there in pairs if here is not None and there is not None]
        tau = kendall([here for here, _ in both], [there for _, there in both])
        return (*tau, len(both))

    def _choose(self, length: int, why: str) -> None:
        self._chosen = length
        if length == FULL:
            found = f"; {self._found}" if self._found and self._found != why else ""
            self.choice = f"every network is trained in full, because {why}{found}"
        else:
            self.choice = (
                f"{why}; networks are trained for {self._told(length)}, and the best of them for "
                f"{self._call.epochs} epochs"
            )

    # ------------------------------------------------------------------ the search

    def _next_of_search(
        self, length: int, propose: Propose, exhausted: Callable[[], bool]
    ) -> Plan | None:
        final = self._next_final(length, exhausted())
        if final is not None or self._is_over(length):
            return final
        plan = self._new(length, propose)
        if plan is None and exhausted():
            return self._next_final(length, exhausted=True)
        return plan

    def _next_final(self, length: int, exhausted: bool) -> Plan | None:
        """Returns the full training of the best network without one, if it is time for it."""
        candidate = self._candidate(length)
        if candidate is None:
            return None
        network, needed = candidate
        if not (self._is_last_chance(length, needed, exhausted) or self._is_share_left(needed)):
            return None
        return self._lengths.again(network, FULL, {})

    def _candidate(self, length: int) -> tuple[str, float] | None:
        """Returns the best network without a full training that there is time for, and its seconds.

        Where every network is trained in full, it is one of those of the check.
        """
        lengths = range(len(self._shorter or []))[::-1] if length == FULL else [length]
        left = self._call.left
        for here in lengths:
            for network in self._lengths.best(here):
                if FULL in self._lengths.networks[network]:
                    continue
                needed = self._lengths.needed(network, FULL)
                if needed <= left:
                    return network, needed
        return None

    def _is_last_chance(self, length: int, needed: float, exhausted: bool) -> bool:
        """Returns whether the search comes to its end, and the best are not all trained in full."""
        best = itertools.islice(self._lengths.best(length), _KEEP)
        missing = [one for one in best if FULL not in self._lengths.networks[one]]
        most = self.history.max_trials
        if exhausted:
            return bool(missing) or length == FULL
        if length == FULL or not missing:
            return False
        if most is not None and most - len(self.history.started) <= len(missing):
            return True
        return self._call.left <= 2 * needed

    def _is_share_left(self, needed: float) -> bool:
        """Returns whether a full training keeps within the share of time that these may have."""
        if self._chosen == FULL or self._lengths.running(FULL):
            return False
        if not self._lengths.count(FULL):
            return True  # A first result, as soon as short trainings are known to tell.
        everything = sum(self._lengths.seconds.values()) + needed
        return self._lengths.seconds[FULL] + needed <= _FINALS * everything

    def _is_over(self, length: int) -> bool:
        """Returns whether there is no time for the full training of any further network."""
        finals = self._lengths.count(FULL)
        if length == FULL or not finals:
            return False
        full = self._lengths.seconds[FULL] / finals
        if self._call.left >= full:
            return False
        self.choice = f"the search ends, because a full training takes about {full:.0f} s"
        return True

    def _check_finalists(self) -> None:
        """Trains all further networks in full if short trainings have misled."""
        length = self._chosen
        count = self._lengths.count(FULL)
        if length is None or length == FULL or count == self._judged:
            return
        self._judged = count
        finalists = list(self._lengths.best(FULL))
        tau, _, high, count = self._agreement(length, FULL, finalists)
        if count >= _FEWEST_FINALISTS and high < 0:
            self._choose(
                FULL,
                f"the full trainings of the {count} best put them into the opposite order of "
                f"{self._told(length)} (Kendall's tau {tau:.2f})",
            )

    def _new(self, length: int, propose: Propose) -> Plan | None:
        proposal = propose()
        if proposal is None:
            return None
        return self._lengths.first(proposal, length, self._schedule(length))

    def _schedule(self, length: int) -> dict[str, Any]:
        if length == FULL:
            return {}
        epochs, samples, _ = (self._shorter or [])[length]
        return schedule(epochs, samples)

    def _cost(self, length: int) -> float:
        return 1.0 if length == FULL else (self._shorter or [])[length].cost

    def _told(self, length: int) -> str:
        if length == FULL:
            return f"the full training of {self._call.epochs} epochs"
        epochs, samples, _ = (self._shorter or [])[length]
        number = f"{epochs} epoch{'s' if epochs > 1 else ''}"
        return number if samples is None else f"{number} of {samples:,} samples"
