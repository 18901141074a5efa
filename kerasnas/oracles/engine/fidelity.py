"""The interface of a fidelity: how long a trial trains, and whether it goes on."""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.objectives import check_one
from kerasnas.oracles.engine.proposal import Proposal

# Returns a new network from the strategy, or None if it has none now.
Propose = Callable[[], Proposal | None]


@dataclass(frozen=True)
class Plan:
    """A trial that is about to begin.

    Args:
        proposal: The setting, and how it was made.
        schedule: Values that tell the tuner how long to train, such as `tuner/epochs`.
        notes: Entries that are saved in the trial's lineage.
        is_new: Whether the network was never trained before.
    """

    proposal: Proposal
    schedule: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = True


class Verdict(NamedTuple):
    """The decision about a running trial after an epoch.

    Args:
        stops: Whether the training ends now.
        notes: Entries that are saved in the trial's lineage, or None.
    """

    stops: bool
    notes: dict[str, Any] | None = None


@dataclass(frozen=True)
class SearchCall:
    """What a tuner knows of the training when `search` is called.

    Args:
        epochs: Epochs of a full training; None where they are not known.
        samples: Training samples in an epoch; None where they are not known, or cannot be fewer.
        seconds: The time limit of the call; None for no limit.
        begun: When the call began, by `time.monotonic`.
    """

    epochs: int | None = None
    samples: int | None = None
    seconds: float | None = None
    begun: float = field(default_factory=lambda: time.monotonic())

    @property
    def left(self) -> float:
        """The seconds that are left; infinity without a limit, below 0 when they are over."""
        if self.seconds is None:
            return math.inf
        return self.begun + self.seconds - time.monotonic()


class Fidelity:
    """Trains every trial in full; other fidelities are derived from this class.

    A strategy says which networks are tried, a fidelity how long each of them is trained. Any
    strategy works with any fidelity: where trials have trained for different numbers of epochs, the
    fidelity gives the strategy a view of the history in which their losses can be compared.

    Attributes:
        history: All trials of the search; set by `begin`.
        max_epochs: Epochs of a full training, or None where the call of `search` says that.
        reports: Whether it judges trainings while they run, so that tuners must call `report`.
        goes_on: Whether it may begin trials after the strategy has stopped proposing, such as
            longer trainings of known networks.
        choice: What it has chosen by itself, and why, for the user; "" for nothing.
        run_notes: Names in a trial's lineage that belong to one run of the trial, and are removed
            when it is run again.
    """

    history: History
    max_epochs: int | None = None
    reports = False
    goes_on = False
    choice = ""
    run_notes: tuple[str, ...] = ()

    @property
    def trains_in_full(self) -> bool:
        """Whether every trial trains as long as the call of `search` says."""
        return self.max_epochs is None

    def check_objectives(self, names: Sequence[str]) -> None:
        """Refuses objectives by which trials of different lengths cannot be compared.

        Args:
            names: Names of the objectives.

        Raises:
            ValueError: There are several, and the fidelity compares trials by one.
        """
        if not self.trains_in_full:
            check_one(self, names)

    def begin(self, history: History) -> None:
        """Prepares for a search, new or resumed.

        Args:
            history: All trials of the search.
        """
        self.history = history

    def prepare(self, call: SearchCall) -> None:
        """Takes what a tuner knows of the training before the trials of a call of `search`.

        Args:
            call: How long a full training is, and how much time there is.

        Raises:
            ValueError: Its own trainings do not fit into that.
        """

    def tier(self, trial: Trial) -> int:
        """Returns which trials a completed trial may be compared with by its score.

        Args:
            trial: A trial of the search.

        Returns:
            The number of its tier: trials of a lower tier rank before all those of a higher one.
        """
        return 0

    def next_trial(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns the next trial to run.

        Args:
            propose: Callable that returns a new network from the strategy, or None if it has none
                now.
            exhausted: Callable that returns whether the strategy will never propose another one.

        Returns:
            The trial, or None where no trial can begin now.
        """
        proposal = propose()
        return None if proposal is None else Plan(proposal)

    def view(self) -> History:
        """Returns the history that the strategy sees.

        Every network is in it once, with its loss, measured or estimated, after a full training.
        """
        return self.history

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> Verdict:
        """Judges a running trial after one of its epochs.

        Args:
            trial_id: Id of the trial.
            epoch: How many epochs the trial has been trained, from 1.
            metrics: The objective's best value so far, by the objective's name.

        Returns:
            Whether the training ends, and what to save in the lineage.
        """
        return Verdict(False)

    def retry(self, trial_id: str) -> None:
        """Forgets the reports of a trial that will be run again.

        Args:
            trial_id: Id of the trial.
        """

    def check_reported(self, trial_id: str) -> None:
        """Refuses a completed trial whose tuner has not called `report`, if it must be called.

        Args:
            trial_id: Id of the trial.

        Raises:
            RuntimeError: The fidelity needs reports, and there was none.
        """

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that must stay the same when the search is resumed."""
        return {}


# Fidelities that a user may name, because they need no arguments.
_NAMED: dict[str, type[Fidelity]] = {}


def named(name: str) -> Callable[[type[Fidelity]], type[Fidelity]]:
    """Returns a decorator that lets users write a name in the place of a fidelity.

    Args:
        name: The name.
    """

    def add(fidelity: type[Fidelity]) -> type[Fidelity]:
        _NAMED[name] = fidelity
        return fidelity

    return add


def made_fidelity(fidelity: Any) -> Fidelity:
    """Returns a fidelity for one search.

    Args:
        fidelity: A fidelity, which is copied because it keeps the state of one search; the name
            of one that needs no arguments; or None, which trains every trial in full.

    Returns:
        The fidelity.

    Raises:
        TypeError: The argument is none of these.
    """
    if fidelity is None:
        return Fidelity()
    if isinstance(fidelity, str) and fidelity in _NAMED:
        return _NAMED[fidelity]()
    if not isinstance(fidelity, Fidelity):
        raise TypeError(
            f"fidelity must be None, {', '.join(map(repr, _NAMED))} or a "
            "kerasnas.oracles.Fidelity, such as kerasnas.oracles.ShortThenBest(epochs=2, keep=3). "
            f"Received: fidelity={fidelity!r}"
        )
    return copy.deepcopy(fidelity)
