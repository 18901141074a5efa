"""A short training for all networks, and a full one for the best of them."""

import itertools
from collections.abc import Callable
from typing import Any

from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine import Fidelity, History, Plan, Propose
from kerasnas.oracles.engine.fidelity import SearchCall
from kerasnas.oracles.fidelity.lengths import FULL, Lengths, schedule
from kerasnas.runtime.arguments import check_integer

_SHORT = 0


class ShortThenBest(Fidelity):
    """Trains every network shortly, and then the best of them in full, from scratch.

    A full training has the epochs of the call of `search`. The full trainings are the last trials
    of the search: `keep` of its `max_trials`, or what its `max_time` leaves room for, judged by how
    long the short ones took. A network whose full training fails is replaced by the next best one.

    Args:
        epochs: Epochs of a short training.
        keep: How many networks are trained in full.

    Raises:
        ValueError: A number out of its range, no limit at which the short trainings end, or a
            short training that is as long as a full one.

    Source:
        Bohdal et al. 2023, arXiv:2307.15422, and Egele et al. 2024, arXiv:2404.04111, who find
        that successive halving and extrapolated learning curves add little to it.

    Example:

    >>> import kerasnas as kn
    >>> fidelity = kn.oracles.ShortThenBest(epochs=2, keep=3)
    >>> oracle = kn.oracles.Oracle(kn.oracles.Predictor(), "val_accuracy", 50, fidelity=fidelity)
    """

    goes_on = True

    def __init__(self, epochs: int = 1, keep: int = 3):
        check_integer("epochs", epochs, least=1)
        check_integer("keep", keep, least=1)
        self.epochs, self.keep = epochs, keep
        self._call = SearchCall()

    @property
    def trains_in_full(self) -> bool:
        """False: there are short trainings, too."""
        return False

    def begin(self, history: History) -> None:
        """Prepares for a search, whose lengths are read from the lineages of the trials."""
        super().begin(history)
        self._lengths = Lengths(history, self._cost)
        if history.max_trials is not None and history.max_trials <= self.keep:
            raise ValueError(
                f"keep={self.keep} networks are trained in full after all short trainings, so "
                f"there must be more trials. Received: max_trials={history.max_trials}"
            )

    def prepare(self, call: SearchCall) -> None:
        """Takes the epochs of a full training, and the time limit of this call of `search`."""
        if call.epochs is not None and call.epochs <= self.epochs:
            raise ValueError(
                "A full training must be longer than a short one: pass more epochs to `search`, or "
                f"fewer to ShortThenBest. Received: search(epochs={call.epochs}), "
                f"ShortThenBest(epochs={self.epochs})"
            )
        self._call = call

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that decide about the lengths."""
        return {"epochs": self.epochs, "keep": self.keep}

    def tier(self, trial: Trial) -> int:
        """Ranks full trainings before short ones."""
        return self._lengths.tier(trial)

    def view(self) -> History:
        """Returns each network once, with an estimate of its loss after a full training."""
        return self._lengths.view()

    def next_trial(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns a short training of a new network, or a full one of one of the best."""
        if self.history.max_trials is None and self._call.seconds is None:
            raise ValueError(
                "ShortThenBest needs to know when the short trainings end: pass max_trials to the "
                "oracle, or max_time to kerasnas.Tuner. Received: neither"
            )
        if not self._is_time_for_the_best():
            proposal = propose()
            if proposal is not None:
                return self._lengths.first(proposal, _SHORT, schedule(self.epochs))
            if not exhausted():
                return None
        if self._lengths.running(_SHORT):
            return None  # It may be one of the best.
        for network in self._best():
            if FULL not in self._lengths.networks[network]:
                return self._lengths.again(network, FULL, {})
        return None

    def _best(self) -> list[str]:
        return list(itertools.islice(self._lengths.best(_SHORT), self.keep))

    def _is_time_for_the_best(self) -> bool:
        best = self._best()
        missing = [one for one in best if FULL not in self._lengths.networks[one]]
        count = len(missing) + self.keep - len(best)
        most = self.history.max_trials
        if most is not None and len(self.history.started) + count >= most:
            return True
        if self._call.seconds is None or self._call.epochs is None:
            return False
        needed = [self._lengths.needed(one, FULL) for one in missing]
        # Those that are not known yet may take as long as the longest that is.
        unknown = max(needed, default=0.0) * (self.keep - len(best))
        return sum(needed) + unknown >= self._call.left

    def _cost(self, length: int) -> float:
        return 1.0 if length == FULL else self.epochs / (self._call.epochs or self.epochs)
