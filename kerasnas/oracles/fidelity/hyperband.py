"""Hyperband. Li et al. 2018, JMLR 18(185)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.engine import Fidelity, History, Plan, Proposal, Propose
from kerasnas.oracles.fidelity.networks import Networks
from kerasnas.oracles.fidelity.rungs import check_rungs
from kerasnas.runtime.arguments import check_integer

_FROM = "tuner/trial_id"


class Hyperband(Fidelity):
    """Hyperband: of many short trainings the best go on, whatever strategy proposes the networks.

    The values of a trial carry what its tuner must do: `tuner/epochs` and `tuner/initial_epoch`,
    and, from the second round of a bracket on, `tuner/trial_id`, whose weights it starts from.
    `keras_tuner.Hyperband` and `kerasnas.Tuner` understand them; the latter carries over the
    optimizer's state and step count too. A failed trial is not promoted: it neither holds
    up its bracket nor leaves a gap in the next round.

    Args:
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on to the next round, with `factor` times the epochs.
        hyperband_iterations: How often all brackets are run; None for without end.
        min_epochs: Least epochs of a first round; brackets that begin with less are left out.
            Defaults to a twelfth of `max_epochs`. 1 gives KerasTuner's brackets.

    Raises:
        ValueError: A number out of its range.

    Source:
        Li et al. 2018, JMLR 18(185); sizes and epochs of the rounds as in KerasTuner 1.4.8; with a
        model as the strategy it is BOHB, Falkner et al. 2018, arXiv:1807.01774.

    Example:

    >>> import kerasnas as kn
    >>> fidelity = kn.oracles.Hyperband(max_epochs=27)
    >>> oracle = kn.oracles.Oracle(kn.oracles.Predictor(), "val_accuracy", fidelity=fidelity)
    """

    max_epochs: int
    goes_on = True

    def __init__(
        self,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int | None = 1,
        min_epochs: int | None = None,
    ):
        self.max_epochs, self.factor, self.min_epochs = check_rungs(max_epochs, factor, min_epochs)
        check_integer("hyperband_iterations", hyperband_iterations, least=1, optional=True)
        self.hyperband_iterations = hyperband_iterations

    def begin(self, history: History) -> None:
        """Prepares for a search, whose brackets are read from the lineages of the trials."""
        super().begin(history)
        # Trial ids by round, of each bracket that is not done, numbered over the whole search.
        self._brackets: dict[int, list[list[str]]] = {}
        self._next_bracket = 0
        self._seen = 0
        # The trial in which each promoted trial is continued.
        self._promoted: dict[str, str] = {}
        self._networks = Networks(
            history, _is_network, self._losses_by_epochs, self._of_this_and_the_one_before
        )

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that decide about the rounds."""
        return {
            "max_epochs": self.max_epochs,
            "factor": self.factor,
            "min_epochs": self.min_epochs,
        }

    def view(self) -> History:
        """Returns the networks of all first rounds, with their estimated losses at full length."""
        return self._networks.view()

    def next_trial(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Fills the first round of a bracket, then promotes its best, then opens the next one."""
        self._read_new_trials()
        for number in sorted(self._brackets):
            plan = self._serve(number, propose, exhausted)
            if plan is not None:
                return plan
        if self._may_open(exhausted()):
            return self._serve(self._open_bracket(), propose, exhausted)
        return None

    def _losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """Returns the loss of every completed round of a network."""
        losses = {}
        name: str | None = trial.trial_id
        while name is not None:
            trial = self.history.trials[name]
            # A worker sets the status of its trial before the oracle has scored it.
            if name not in self.history.running and trial.status == TrialStatus.COMPLETED:
                losses[int(trial.hyperparameters.values["tuner/epochs"])] = self.history.loss(trial)
            name = self._promoted.get(name)
        return losses

    def _of_this_and_the_one_before(self, trial: Trial) -> Mapping[int, float]:
        """Returns the loss of a trial, and of the trial that it continues, by epochs."""
        values = trial.hyperparameters.values
        losses = {int(values["tuner/epochs"]): self.history.loss(trial)}
        if not _is_network(trial):
            before = self.history.trials[values[_FROM]]
            epochs = int(before.hyperparameters.values["tuner/epochs"])
            losses[epochs] = self.history.loss(before)
        return losses

    def _serve(self, number: int, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns the next trial of a bracket; None if it is done, or waits for running trials."""
        first = self._brackets[number][0]
        # When the strategy is exhausted, the first round is not filled any further.
        if not exhausted() and len(first) < self._size(number, 0):
            proposal = propose()
            if proposal is not None:
                return self._scheduled(proposal, number, 0)
        return self._promote(number, exhausted())

    def _promote(self, number: int, short: bool) -> Plan | None:
        rounds = self._brackets[number]
        trials, running = self.history.trials, self.history.running
        # The size of the round, which is final once the round before it has ended.
        full = len(rounds[0]) if short else self._size(number, 0)
        final = True
        for place in range(1, len(rounds)):
            ended = [trials[name] for name in rounds[place - 1] if name not in running]
            completed = [trial for trial in ended if trial.status == TrialStatus.COMPLETED]
            thrown_out = full - min(self._size(number, place), full)
            taken = {trials[name].hyperparameters.values[_FROM] for name in rounds[place]}
            candidates = [trial for trial in completed if trial.trial_id not in taken]
            failed = len(ended) - len(completed)
            # So many others have failed or are worse that the best one is promoted in any case.
            if candidates and len(candidates) + failed > thrown_out:
                best = min(candidates, key=self.history.loss)
                values = genome.network_values(best.hyperparameters.values)
                proposal = Proposal(values, (best.trial_id,), "promotion")
                return self._scheduled(proposal, number, place, {_FROM: best.trial_id})
            final = final and len(ended) == full
            full = min(self._size(number, place), len(completed) if final else full)
        if final and len(rounds[-1]) == full:
            del self._brackets[number]
        return None

    def _scheduled(
        self, proposal: Proposal, number: int, place: int, start: Mapping[str, Any] | None = None
    ) -> Plan:
        schedule = {
            **(start or {}),
            "tuner/epochs": self._epochs(number, place),
            "tuner/initial_epoch": self._epochs(number, place - 1) if place else 0,
            "tuner/bracket": self._kind(number),
            "tuner/round": place,
        }
        return Plan(proposal, schedule, {"bracket": number, "round": place}, is_new=place == 0)

    def _read_new_trials(self) -> None:
        for trial in self.history.started[self._seen :]:
            lineage = self.history.lineage(trial.trial_id)
            if "bracket" in lineage:
                while self._next_bracket <= lineage["bracket"]:
                    self._open_bracket()
                self._brackets[lineage["bracket"]][lineage["round"]].append(trial.trial_id)
            if lineage.get("operator") == "promotion":
                self._promoted[lineage["parents"][0]] = trial.trial_id
        self._seen = len(self.history.started)

    def _may_open(self, exhausted: bool) -> bool:
        # A bracket with room for networks is filled before the next one opens.
        waits = any(
            len(rounds[0]) < self._size(number, 0) for number, rounds in self._brackets.items()
        )
        if exhausted or waits:
            return False
        sweeps = self.hyperband_iterations
        return sweeps is None or self._next_bracket < sweeps * self._count()

    def _open_bracket(self) -> int:
        number = self._next_bracket
        self._brackets[number] = [[] for _ in range(self._kind(number) + 1)]
        self._next_bracket += 1
        return number

    def _count(self) -> int:
        """Returns how many brackets a sweep has."""
        epochs, count = float(self.max_epochs), 0
        while epochs >= self.min_epochs:
            epochs /= self.factor
            count += 1
        return count

    def _kind(self, number: int) -> int:
        """Returns KerasTuner's number of a bracket: how many rounds follow its first one."""
        return self._count() - 1 - number % self._count()

    def _size(self, number: int, place: int) -> int:
        kind = self._kind(number)
        last = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (kind + 1)
        size: float = last * self.factor ** (kind - place)
        return math.ceil(size)

    def _epochs(self, number: int, place: int) -> int:
        epochs: float = self.max_epochs / self.factor ** (self._kind(number) - place)
        return math.ceil(epochs)


def _is_network(trial: Trial) -> bool:
    """Returns whether a trial belongs to a first round."""
    return _FROM not in trial.hyperparameters.values
