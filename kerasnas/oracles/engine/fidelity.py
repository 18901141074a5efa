"""How long a trial trains, whether it goes on, and what a short training is worth."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.objectives import check_one
from kerasnas.oracles.engine.proposal import Proposal


@dataclass(frozen=True)
class Plan:
    """A trial that is about to begin.

    Args:
        proposal: Its setting.
        schedule: Values that tell its tuner how long to train, such as `tuner/epochs`.
        notes: What is saved in its lineage.
        is_new: Whether the network was not trained before.
    """

    proposal: Proposal
    schedule: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = True


class Verdict(NamedTuple):
    """What becomes of a running trial after an epoch.

    Args:
        stops: Whether its training ends.
        notes: What is saved in its lineage, or None.
    """

    stops: bool
    notes: dict[str, Any] | None = None


class Fidelity:
    """Trains every trial in full; the base of those that do not.

    A strategy says which networks are tried, a fidelity how long each of them is trained. Any
    strategy goes with any fidelity: what a strategy sees of trials of different lengths is the
    fidelity's answer, the view that it gives of the history.

    Attributes:
        history: All trials of the search; set by `begin`.
        max_epochs: Epochs of a full training, or None where the call of `search` says that.
        reports: Whether it judges trainings while they run.
        goes_on: Whether it may begin trials though no new network is proposed any more.
        run_notes: Names in the lineage of a trial that are of one run of it, and not of the next.
    """

    history: History
    max_epochs: int | None = None
    reports = False
    goes_on = False
    run_notes: tuple[str, ...] = ()

    def check_objectives(self, names: Sequence[str]) -> None:
        """Refuses objectives by which trials of different lengths cannot be compared.

        Args:
            names: Names of the objectives.

        Raises:
            ValueError: They are several, and it compares by one.
        """
        if self.max_epochs is not None:
            check_one(self, names)

    def begin(self, history: History) -> None:
        """Takes up a search, new or resumed.

        Args:
            history: All its trials.
        """
        self.history = history

    def next_trial(
        self, propose: Callable[[], Proposal | None], exhausted: Callable[[], bool]
    ) -> Plan | None:
        """Decides about the next trial.

        Args:
            propose: Callable that returns a new network, or None while there is none.
            exhausted: Callable that returns whether there will never be another one.

        Returns:
            The trial, or None where there is none to begin now.
        """
        proposal = propose()
        return None if proposal is None else Plan(proposal)

    def view(self) -> History:
        """Returns what a strategy gets to see: each network once, with its loss at full length."""
        return self.history

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> Verdict:
        """Takes what an epoch of a running trial has come to.

        Args:
            trial_id: The trial.
            epoch: How many epochs it was trained.
            metrics: The objective's best value so far, by its name.

        Returns:
            Whether the training ends, and what to note.
        """
        return Verdict(False)

    def retry(self, trial_id: str) -> None:
        """Forgets what a trial has reported, which is to be run again."""

    def check_reported(self, trial_id: str) -> None:
        """Refuses a trial that completed without reports, where it could not be judged.

        Args:
            trial_id: The trial, which has completed.

        Raises:
            RuntimeError: Its tuner reports nothing.
        """

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that a resumed search must share with the first run."""
        return {}


def made_fidelity(fidelity: Any) -> Fidelity:
    """Returns a fidelity for one search.

    Args:
        fidelity: A fidelity, of which a copy is made, since it keeps what one search has come to;
            or None, which trains every trial in full.

    Returns:
        The fidelity.

    Raises:
        TypeError: It is neither.
    """
    if fidelity is None:
        return Fidelity()
    if not isinstance(fidelity, Fidelity):
        raise TypeError(
            "fidelity must be None or a kerasnas.oracles.Fidelity, such as "
            f"kerasnas.oracles.Hyperband(max_epochs=27). Received: fidelity={fidelity!r}"
        )
    return copy.deepcopy(fidelity)
