"""Asynchronous successive halving, by stopping. Li et al. 2020, arXiv:1810.05934."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.multifidelity import MultiFidelityOracle

_REPORTS = "reports"


class ASHAOracle(MultiFidelityOracle):
    """Stops a training at a rung unless it is among the best that have reached that rung.

    A trial trains up to `max_epochs`. At each rung it goes on if it is in the best `1 / factor` of
    all that were there before, itself included; nobody waits for anybody. It needs a tuner that
    reports epochs while they pass, which is `kerasnas.Tuner` (`kerasnas.ASHA`); under another one
    the first trial ends with an error.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on at a rung, and has `factor` times the epochs at the
            next.
        min_epochs: Epochs of the first rung. Defaults to a twelfth of `max_epochs`.
        rungs: The epochs of all rungs, in the place of `min_epochs` and `factor` times it.
        searcher: Name of the strategy that proposes networks, the class of its oracle, or the
            oracle itself.
        max_trials: As in `kerasnas.oracles.Oracle`.
        **kwargs: As there.

    Raises:
        TypeError: A class of searcher that cannot be made without further arguments.
        ValueError: A number out of its range, or a searcher that cannot propose for another oracle.

    Source:
        Li et al. 2020, arXiv:1810.05934; stopping instead of pausing as in Syne Tune, Salinas et
        al. 2022, section 3.

    Example:

    ```python
    oracle = ASHAOracle("val_accuracy", max_epochs=30, max_trials=100, searcher="evolution")
    tuner = kerasnas.Tuner(build, oracle=oracle, directory="runs")
    tuner.search(x, y, validation_data=(x_val, y_val))
    ```
    """

    reports = True

    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        min_epochs: int | None = None,
        rungs: Sequence[int] | None = None,
        searcher: str | type[Oracle] | Oracle = "random",
        max_trials: int | None = 10,
        **kwargs: Any,
    ):
        if rungs is not None:
            if min_epochs is not None:
                raise ValueError(
                    "Give either rungs or min_epochs. "
                    f"Received: rungs={rungs!r}, min_epochs={min_epochs!r}"
                )
            check_count("max_epochs", max_epochs, at_least=1)
            rungs = list(np.atleast_1d(rungs).tolist())
            for rung in rungs:
                check_count("rungs", rung, at_least=1)
            if not rungs or rungs != sorted({*rungs}) or rungs[-1] > max_epochs:
                raise ValueError(
                    "rungs must be rising numbers of epochs up to max_epochs. "
                    f"Received: rungs={rungs!r}, max_epochs={max_epochs!r}"
                )
            min_epochs = rungs[0]
        super().__init__(
            objective, max_epochs, factor, min_epochs, searcher, max_trials=max_trials, **kwargs
        )
        self.rungs = [int(rung) for rung in rungs] if rungs is not None else []
        epochs = self.min_epochs
        while rungs is None and epochs < self.max_epochs:
            self.rungs.append(epochs)
            epochs *= self.factor
        # Losses at each rung by trial, as the lineages have them.
        self._at_rung: dict[int, dict[str, float]] = {}
        self._reporting: set[str] = set()

    def settings(self) -> dict[str, Any]:
        """What fixes the rungs, and who proposes."""
        return {**super().settings(), "rungs": self.rungs}

    def reload(self) -> None:
        """Restores the search; what was reported is in the lineages."""
        self._at_rung = {}
        super().reload()
        for name, lineage in self.lineage.items():
            for epochs, loss in lineage.get(_REPORTS, {}).items():
                self._at_rung.setdefault(int(epochs), {})[name] = loss

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Proposes a network, to be trained in full."""
        response = super().populate_space(trial_id)
        if response["status"] == TrialStatus.RUNNING:
            epochs = {"tuner/epochs": self.max_epochs, "tuner/initial_epoch": 0}
            response["values"] = {**response["values"], **epochs}
        return response

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Takes what an epoch of a running trial has come to.

        Args:
            trial_id: The trial.
            epoch: How many epochs it was trained.
            metrics: The objective's best value so far, by its name.

        Returns:
            Whether the training is to stop.
        """
        with self._lock:
            self._reporting.add(trial_id)
            if epoch not in self.rungs:
                return False
            value = float(metrics[self.objective.name])
            if not math.isfinite(value):
                return True  # It is not going to be among the best, and its trial will fail.
            loss = -value if self.objective.direction == "max" else value
            there = self._at_rung.setdefault(epoch, {})
            there[trial_id] = loss
            ahead = sum(other < loss for other in there.values())
            stops = epoch < self.max_epochs and ahead >= math.ceil(len(there) / self.factor)
            known = self.lineage[trial_id]
            reports = {**known.get(_REPORTS, {}), str(epoch): loss}
            self._note(trial_id, {_REPORTS: reports, **({"stopped": epoch} if stops else {})})
            return stops

    def _note(self, trial_id: str, new: dict[str, Any]) -> None:
        known = self.lineage[trial_id]
        kept = {name: value for name, value in known.items() if name not in (_REPORTS, "stopped")}
        lineage = {**kept, **new}
        if lineage != known:
            self._append({"event": "reported", "trial": trial_id, "lineage": lineage})
            self.lineage[trial_id] = lineage

    def _save_retry(self, trial: Trial) -> None:
        # What the run that failed has reported says nothing of the next one.
        for there in self._at_rung.values():
            there.pop(trial.trial_id, None)
        self._note(trial.trial_id, {})
        super()._save_retry(trial)

    def end_trial(self, trial: Trial | str, status: str = TrialStatus.COMPLETED) -> None:
        """Ends a trial, as in `kerasnas.oracles.Oracle`.

        Raises:
            RuntimeError: The tuner has not reported any epoch, so that nothing can be stopped.
        """
        super().end_trial(trial, status)
        own = self.trials[trial if isinstance(trial, str) else trial.trial_id]
        if own.status == TrialStatus.COMPLETED and own.trial_id not in self._reporting:
            raise RuntimeError(
                "ASHAOracle stops trials while they train, and was told of no epoch. Use it with "
                "kerasnas.Tuner (or kerasnas.ASHA); a `fit` or `run_trial` of your own must pass "
                "on the callbacks that it is given. Any other tuner takes HyperbandOracle."
            )

    def is_network(self, trial: Trial) -> bool:
        """Every trial is a network of its own."""
        return True

    def losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """The losses at the rungs, and, of one that was not stopped, in the end."""
        reports = self.lineage[trial.trial_id].get(_REPORTS, {})
        losses = {int(epochs): loss for epochs, loss in reports.items()}
        if "stopped" in self.lineage[trial.trial_id]:
            return losses
        return {**losses, self.max_epochs: self.loss(trial)}
