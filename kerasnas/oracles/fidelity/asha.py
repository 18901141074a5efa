"""Asynchronous successive halving, by stopping. Li et al. 2020, arXiv:1810.05934."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine import Fidelity, History, Plan, Propose, Verdict
from kerasnas.oracles.fidelity.networks import Networks
from kerasnas.oracles.fidelity.rungs import check_rungs
from kerasnas.runtime.arguments import check_integer

_REPORTS, _STOPPED = "reports", "stopped"


class ASHA(Fidelity):
    """Stops a training at a rung unless it is among the best that have reached that rung.

    A trial trains up to `max_epochs`. At each rung it goes on if it is in the best `1 / factor` of
    all trials that have reached the rung so far, itself included; no trial waits for another. It
    needs a tuner that reports epochs while they pass, which is `kerasnas.Tuner` (`kerasnas.ASHA`);
    under another one the first trial ends with an error.

    Args:
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on at a rung, and has `factor` times the epochs at the
            next.
        min_epochs: Epochs of the first rung. Defaults to a twelfth of `max_epochs`.
        rungs: The epochs of all rungs, instead of `min_epochs` and its multiples by `factor`.

    Raises:
        ValueError: A number out of its range.

    Source:
        Li et al. 2020, arXiv:1810.05934; stopping instead of pausing as in Syne Tune, Salinas et
        al. 2022, section 3.

    Example:

    >>> import kerasnas as kn
    >>> fidelity = kn.oracles.ASHA(max_epochs=30)
    >>> oracle = kn.oracles.Oracle(kn.oracles.Evolution(), "val_loss", 100, fidelity=fidelity)
    """

    max_epochs: int
    reports = True
    run_notes = (_REPORTS, _STOPPED)

    def __init__(
        self,
        max_epochs: int = 100,
        factor: int = 3,
        min_epochs: int | None = None,
        rungs: Sequence[int] | None = None,
    ):
        if rungs is not None:
            if min_epochs is not None:
                raise ValueError(
                    "Give either rungs or min_epochs. "
                    f"Received: rungs={rungs!r}, min_epochs={min_epochs!r}"
                )
            check_integer("max_epochs", max_epochs, least=1)
            rungs = list(np.atleast_1d(rungs).tolist())
            for rung in rungs:
                check_integer("rungs", rung, least=1)
            if not rungs or rungs != sorted({*rungs}) or rungs[-1] > max_epochs:
                raise ValueError(
                    "rungs must be rising numbers of epochs up to max_epochs. "
                    f"Received: rungs={rungs!r}, max_epochs={max_epochs!r}"
                )
            min_epochs = rungs[0]
        self.max_epochs, self.factor, self.min_epochs = check_rungs(max_epochs, factor, min_epochs)
        self.rungs = [int(rung) for rung in rungs] if rungs is not None else []
        epochs = self.min_epochs
        while rungs is None and epochs < self.max_epochs:
            self.rungs.append(epochs)
            epochs *= self.factor

    def begin(self, history: History) -> None:
        """Prepares for a search, whose reports are read from the lineages of the trials."""
        super().begin(history)
        self._reporting: set[str] = set()
        # Losses at each rung by trial, as the lineages have them.
        self._at_rung: dict[int, dict[str, float]] = {}
        for trial in history.started:
            for epochs, loss in history.lineage(trial.trial_id).get(_REPORTS, {}).items():
                self._at_rung.setdefault(int(epochs), {})[trial.trial_id] = loss
        self._networks = Networks(
            history, lambda trial: True, self._losses_by_epochs, self._losses_by_epochs
        )

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that decide about the rungs."""
        return {
            "max_epochs": self.max_epochs,
            "factor": self.factor,
            "min_epochs": self.min_epochs,
            "rungs": self.rungs,
        }

    def view(self) -> History:
        """Returns all trials, with their estimated losses at full length."""
        return self._networks.view()

    def next_trial(self, propose: Propose, exhausted: Callable[[], bool]) -> Plan | None:
        """Returns a new network, to be trained in full unless it is stopped."""
        proposal = propose()
        if proposal is None:
            return None
        return Plan(proposal, {"tuner/epochs": self.max_epochs, "tuner/initial_epoch": 0})

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> Verdict:
        """Stops a training at a rung, unless it is among the best there."""
        self._reporting.add(trial_id)
        if epoch not in self.rungs:
            return Verdict(False)
        objective = self.history.objectives[0]
        value = float(metrics[objective.name])
        if not math.isfinite(value):
            return Verdict(True)  # Its trial will fail, since the loss is not finite.
        loss = -value if objective.direction == "max" else value
        there = self._at_rung.setdefault(epoch, {})
        there[trial_id] = loss
        ahead = sum(other < loss for other in there.values())
        stops = epoch < self.max_epochs and ahead >= math.ceil(len(there) / self.factor)
        reports = {**self.history.lineage(trial_id).get(_REPORTS, {}), str(epoch): loss}
        return Verdict(stops, {_REPORTS: reports, **({_STOPPED: epoch} if stops else {})})

    def retry(self, trial_id: str) -> None:
        """Forgets the reports of a failed run."""
        for there in self._at_rung.values():
            there.pop(trial_id, None)

    def check_reported(self, trial_id: str) -> None:
        """Refuses a completed trial that has not reported any epoch."""
        if trial_id not in self._reporting:
            raise RuntimeError(
                "ASHAOracle stops trials while they train, and was told of no epoch. Use it with "
                "kerasnas.Tuner (or kerasnas.ASHA); a `fit` or `run_trial` of your own must pass "
                "on the callbacks that it is given. Any other tuner takes HyperbandOracle."
            )

    def _losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """Returns the losses at the rungs and, unless the trial was stopped, at the end."""
        lineage = self.history.lineage(trial.trial_id)
        losses = {int(epochs): loss for epochs, loss in lineage.get(_REPORTS, {}).items()}
        return (
            losses if _STOPPED in lineage else {**losses, self.max_epochs: self.history.loss(trial)}
        )
