"""Hands trials out to workers, and takes them back."""

import time
from collections.abc import Callable
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.engine import endings
from kerasnas.oracles.engine.search import Search
from kerasnas.oracles.engine.space import with_values


class Desk:
    """Keeps which worker runs which trial, and writes results into the ledger.

    Args:
        search: The search.
        snapshot: Callable that saves the state of the whole oracle.

    Attributes:
        ongoing: The trial that each worker runs, by the worker's name.
    """

    def __init__(self, search: Search, snapshot: Callable[[], None]):
        self._search, self._ledger = search, search.ledger
        self._snapshot = snapshot
        self.ongoing: dict[str, Trial] = {}
        # When each running trial was handed out, by `time.monotonic`.
        self._began: dict[str, float] = {}

    def again(self, worker: str) -> Trial | None:
        """Returns the trial that a worker has not ended yet, or one that waits for another run.

        Returns:
            The trial, which the worker now runs, or None where there is none.
        """
        if worker in self.ongoing:
            return self.ongoing[worker]
        if not self._ledger.waiting:
            return None
        trial = self._ledger.trials.by_id[self._ledger.waiting.pop(0)]
        trial.status = TrialStatus.RUNNING
        # The results of the last run would otherwise hide those of this one.
        trial.metrics = type(trial.metrics)()
        trial.score, trial.message = None, None
        self._hand_out(trial, worker)
        return trial

    def new(
        self, worker: str, max_trials: int | None, propose: Callable[[str], dict[str, Any]]
    ) -> Trial:
        """Hands out a new trial.

        Args:
            worker: Name of the worker.
            max_trials: The most trials there will be; None for no limit.
            propose: Callable from the new trial's id to a dict with its `status`, and if that is
                RUNNING its `values` and `lineage`; see `Oracle.populate_space`.

        Returns:
            The trial; its status is RUNNING, IDLE or STOPPED.
        """
        before, trial_id = self._search.proposer.position(), self._next_id(max_trials)
        response: dict[str, Any] = {"status": TrialStatus.STOPPED}
        try:
            if max_trials is None or len(self._ledger.start_order) < max_trials:
                response = propose(trial_id)
            space = with_values(self._search.history.space, response.get("values", {}))
            trial = Trial(space, trial_id, response["status"])
            if trial.status == TrialStatus.RUNNING:
                self._search.start(
                    trial, response.get("lineage", {"parents": [], "operator": "own"})
                )
                self._hand_out(trial, worker)
                self._ledger.save_trial(trial)
        except BaseException:
            # What did not become a trial must leave no trace in what comes next.
            if trial_id not in self._ledger.trials.by_id:
                self._search.proposer.take_position(before)
            raise
        return trial

    def finish(self, trial: Trial, retries: int) -> bool:
        """Takes back a trial that a worker has run.

        Args:
            trial: The trial: COMPLETED with a score, INVALID (may be run again) or FAILED.
            retries: How often an INVALID trial is run again before it counts as failed.

        Returns:
            True when the trial has ended; False when it will be run again.
        """
        runs = self._ledger.runs
        runs[trial.trial_id] += 1
        try:
            if trial.status == TrialStatus.INVALID:
                if runs[trial.trial_id] <= retries:
                    self._search.retry(trial)
                    self._release(trial)
                    return False
                trial.status = TrialStatus.FAILED
            self._end(trial)
        except OSError:
            # The result could not be written, so this run does not count.
            runs[trial.trial_id] -= not self._ledger.has_ended(trial.trial_id)
            raise
        return True

    def fail_crashed(self) -> list[Trial]:
        """Marks trials as failed whose processes have died too often.

        Returns:
            The trials.
        """
        crashed = self._ledger.crashed()
        for trial in crashed:
            trial.status = TrialStatus.FAILED
            trial.message = (
                f"its process ended {self._ledger.starts(trial.trial_id)} times before its first "
                "epoch was over: a crash of the runtime, memory that ran out, or a kill. "
                "`retry_failed=True` runs it again"
            )
            self._ledger.runs[trial.trial_id] += 1
            self._end(trial)
        return crashed

    def close(self, failures_are_seen: bool, stop_reason: str | None = None) -> None:
        """Saves the search when there are no more trials to hand out.

        Args:
            failures_are_seen: Whether the caller shows the user which trials have failed.
            stop_reason: Why there will be no further proposal, or None.

        Raises:
            RuntimeError: All trials have failed, or there was none, and the caller would not show
                it.
        """
        if self._ledger.wants_snapshot(at_the_end=True):
            self._snapshot()
        if not failures_are_seen:
            trials = self._ledger.trials
            endings.check_any_completed(trials.ended, trials.running, stop_reason)

    def _next_id(self, max_trials: int | None) -> str:
        """Returns the number of the next trial, with leading zeros where the trials are limited."""
        started = self._ledger.start_order
        number = max([len(started), *(int(last) + 1 for last in started[-1:])])
        return f"{number:0{len(str(max_trials))}d}"

    def _hand_out(self, trial: Trial, worker: str) -> None:
        self.ongoing[worker] = trial
        self._began[trial.trial_id] = time.monotonic()

    def _end(self, trial: Trial) -> None:
        began = self._began.get(trial.trial_id)
        self._search.end(trial, None if began is None else time.monotonic() - began)
        try:
            self._ledger.save_trial(trial)
            if self._ledger.wants_snapshot():
                self._snapshot()
        finally:
            # Comes last because the chief process exits as soon as no trial is ongoing.
            self._release(trial)

    def _release(self, trial: Trial) -> None:
        for worker, ongoing in list(self.ongoing.items()):
            if ongoing.trial_id == trial.trial_id:
                del self.ongoing[worker]
