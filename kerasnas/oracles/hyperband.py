"""Hyperband. Li et al. 2018, JMLR 18(185)."""

import math
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.multifidelity import MultiFidelityOracle
from kerasnas.oracles.proposal import Proposal

_TUNER = "tuner/"
_FROM = "tuner/trial_id"


class HyperbandOracle(MultiFidelityOracle):
    """Hyperband, with any strategy as the one that proposes: the best short trainings go on.

    The values of a trial carry what its tuner must do: `tuner/epochs` and `tuner/initial_epoch`,
    and, from the second round of a bracket on, `tuner/trial_id`, whose weights it starts from.
    `keras_tuner.Hyperband` and `kerasnas.Tuner` understand them; the latter carries over the
    optimizer's state and step count too. A failed trial is one that is not promoted: it neither
    holds up its bracket nor empties the next round.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on to the next round, with `factor` times the epochs.
        hyperband_iterations: How often all brackets are run; None for without end.
        seed: As in `kerasnas.oracles.Oracle`.
        hyperparameters: As there.
        max_trials: As there.
        min_epochs: Least epochs of a first round; brackets that begin with less are left out.
            Defaults to a twelfth of `max_epochs`. 1 gives KerasTuner's brackets.
        searcher: Name of the strategy that proposes the networks of first rounds, the class of its
            oracle, or the oracle itself.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        TypeError: A class of searcher that cannot be made without further arguments.
        ValueError: A number out of its range, or a searcher that cannot propose for another oracle.

    Source:
        Li et al. 2018, JMLR 18(185); sizes and epochs of the rounds as in KerasTuner 1.4.8; with a
        model as the searcher it is BOHB, Falkner et al. 2018, arXiv:1807.01774.

    Example:

    ```python
    oracle = HyperbandOracle("val_accuracy", max_epochs=27, searcher="predictor", seed=0)
    ```
    """

    # In the order of `keras_tuner.Hyperband`, for scripts that give them by position.
    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int | None = 1,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        max_trials: int | None = None,
        min_epochs: int | None = None,
        searcher: str | type[Oracle] | Oracle = "random",
        **kwargs: Any,
    ):
        super().__init__(
            objective,
            max_epochs,
            factor,
            min_epochs,
            searcher,
            max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            **kwargs,
        )
        check_count("hyperband_iterations", hyperband_iterations, at_least=1, optional=True)
        self.hyperband_iterations = hyperband_iterations
        # Trial ids by round, of each bracket that is not done, numbered over the whole search.
        self._brackets: dict[int, list[list[str]]] = {}
        self._next_bracket = 0
        self._seen = 0
        # Which trial each promoted one goes on as.
        self._promoted: dict[str, str] = {}

    def reload(self) -> None:
        """Restores the search; the brackets follow from what each trial's lineage says."""
        self._brackets, self._next_bracket, self._seen = {}, 0, 0
        self._promoted = {}
        super().reload()

    def is_network(self, trial: Trial) -> bool:
        """Whether a trial belongs to a first round."""
        return _FROM not in trial.hyperparameters.values

    def losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """The loss of every completed round of a network."""
        losses = {}
        name: str | None = trial.trial_id
        while name is not None:
            trial = self.trials[name]
            # A worker calls its trial completed before it is scored.
            if name in self._ended and trial.status == TrialStatus.COMPLETED:
                losses[int(trial.hyperparameters.values["tuner/epochs"])] = self.loss(trial)
            name = self._promoted.get(name)
        return losses

    def history_of(self, trial: Trial) -> Mapping[int, float]:
        """The loss of a trial, and of the one that it goes on from."""
        values = trial.hyperparameters.values
        history = {int(values["tuner/epochs"]): self.loss(trial)}
        if not self.is_network(trial):
            before = self.trials[values[_FROM]]
            epochs = int(before.hyperparameters.values["tuner/epochs"])
            history[epochs] = self.loss(before)
        return history

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Fills the first round of a bracket, then promotes its best, then opens the next one."""
        with self._lock:
            if not self.hyperparameters.space:
                return super().populate_space(trial_id)
            self._read_new_trials()
            for number in sorted(self._brackets):
                response = self._serve(number, trial_id)
                if response is not None:
                    return response
            while self._may_open():
                number = self._open_bracket()
                response = self._serve(number, trial_id)
                if response is not None:
                    return response
            if self.ongoing_trials:
                return {"status": TrialStatus.IDLE}
            return {"status": TrialStatus.STOPPED}

    def _serve(self, number: int, trial_id: str) -> dict[str, Any] | None:
        """The next trial of a bracket; None while it waits for running ones, or is done."""
        first = self._brackets[number][0]
        # Once nothing new is found, first rounds stay as short as they are.
        if self.stop_reason is None and len(first) < self._size(number, 0):
            response = super().populate_space(trial_id)
            if response["status"] == TrialStatus.RUNNING:
                return self._with_schedule(response, trial_id, number, 0)
        return self._promote(number, trial_id)

    def _promote(self, number: int, trial_id: str) -> dict[str, Any] | None:
        rounds = self._brackets[number]
        short = self.stop_reason is not None
        # How many trials a round has when it is full; final once the round before it has ended.
        full = len(rounds[0]) if short else self._size(number, 0)
        final = True
        for place in range(1, len(rounds)):
            ended = [self.trials[name] for name in rounds[place - 1] if name in self._ended]
            completed = [trial for trial in ended if trial.status == TrialStatus.COMPLETED]
            thrown_out = full - min(self._size(number, place), full)
            taken = {self.trials[name].hyperparameters.values[_FROM] for name in rounds[place]}
            candidates = [trial for trial in completed if trial.trial_id not in taken]
            failed = len(ended) - len(completed)
            # Enough are worse than the best, or have failed, for it to be sure of its place.
            if candidates and len(candidates) + failed > thrown_out:
                return self._continue(min(candidates, key=self.loss), trial_id, number, place)
            final = final and len(ended) == full
            full = min(self._size(number, place), len(completed) if final else full)
        if final and len(rounds[-1]) == full:
            del self._brackets[number]
        return None

    def _continue(self, trial: Trial, trial_id: str, number: int, place: int) -> dict[str, Any]:
        values = trial.hyperparameters.values
        values = {name: value for name, value in values.items() if not name.startswith(_TUNER)}
        response = self._accept(trial_id, Proposal(values, (trial.trial_id,), "promotion"))
        response["values"][_FROM] = trial.trial_id
        return self._with_schedule(response, trial_id, number, place)

    def _with_schedule(
        self, response: dict[str, Any], trial_id: str, number: int, place: int
    ) -> dict[str, Any]:
        self.lineage[trial_id].update(bracket=number, round=place)
        response["values"].update(
            {
                "tuner/epochs": self._epochs(number, place),
                "tuner/initial_epoch": self._epochs(number, place - 1) if place else 0,
                "tuner/bracket": self._kind(number),
                "tuner/round": place,
            }
        )
        return response

    def _read_new_trials(self) -> None:
        for name in self.start_order[self._seen :]:
            lineage = self.lineage[name]
            if "bracket" in lineage:
                while self._next_bracket <= lineage["bracket"]:
                    self._open_bracket()
                self._brackets[lineage["bracket"]][lineage["round"]].append(name)
            if lineage.get("operator") == "promotion":
                self._promoted[lineage["parents"][0]] = name
        self._seen = len(self.start_order)

    def _may_open(self) -> bool:
        if self.stop_reason is not None:
            return False
        sweeps = self.hyperband_iterations
        return sweeps is None or self._next_bracket < sweeps * self._count()

    def _open_bracket(self) -> int:
        number = self._next_bracket
        self._brackets[number] = [[] for _ in range(self._kind(number) + 1)]
        self._next_bracket += 1
        return number

    def _count(self) -> int:
        """How many brackets a sweep has."""
        epochs, count = float(self.max_epochs), 0
        while epochs >= self.min_epochs:
            epochs /= self.factor
            count += 1
        return count

    def _kind(self, number: int) -> int:
        """KerasTuner's number of a bracket: how often it halves. The most halving one is first."""
        return self._count() - 1 - number % self._count()

    def _size(self, number: int, place: int) -> int:
        kind = self._kind(number)
        last = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (kind + 1)
        return math.ceil(last * self.factor ** (kind - place))

    def _epochs(self, number: int, place: int) -> int:
        return math.ceil(self.max_epochs / self.factor ** (self._kind(number) - place))
