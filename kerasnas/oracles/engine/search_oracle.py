"""One search, as any tuner of KerasTuner's asks for it.

This is the only file that touches private parts of KerasTuner's `Oracle`, as read in keras-tuner
1.4.8 (1.4.7 is the same): `_project_dir`, `_set_project_dir` and `_check_objective_found`.
`create_trial`, `update_trial` and `end_trial` are replaced as a whole: KerasTuner's leave their
lock held after an exception, save the same state several times, and lose a trial that is run
again.
"""

import functools
import math
import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.engine import endings, run_header
from kerasnas.oracles.engine.desk import Desk
from kerasnas.oracles.engine.fidelity import Fidelity, SearchCall
from kerasnas.oracles.engine.objectives import members, resolve
from kerasnas.oracles.engine.search import Search
from kerasnas.oracles.engine.space import with_values
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.runtime.run_folder import JOURNAL, check_name


class SearchOracle(keras_tuner.Oracle):
    """Hands out, judges, ends and saves the trials of one search, as KerasTuner asks for it.

    `kerasnas.oracles.Oracle`, which describes the arguments, is this with the questions of users.
    """

    hyperparameters: keras_tuner.HyperParameters

    def __init__(
        self,
        strategy: Strategy,
        fidelity: Fidelity,
        objective: Any,
        *,
        max_trials: int | None,
        hyperparameters: keras_tuner.HyperParameters | None,
        max_proposals: int,
        seed: int | None,
        **contract: Any,
    ):
        super().__init__(
            objective=resolve(objective),
            max_trials=None if max_trials is None else int(max_trials),  # One of numpy's, too.
            # A copy: what the search adds to the space must not reach the next search.
            hyperparameters=None if hyperparameters is None else hyperparameters.copy(),
            # KerasTuner replaces 0 and None by a draw from the global generator.
            seed=1,
            **contract,
        )
        self.strategy, self.fidelity = strategy, fidelity
        self.objectives = members(self.objective)
        self._search = Search(
            strategy,
            fidelity,
            self.objectives,
            lambda: self.hyperparameters,
            self.max_trials,
            max_proposals,
            seed,
        )
        self.seed = self._search.facts.seed
        self.history, self.ledger = self._search.history, self._search.ledger
        self._desk = Desk(self._search, self.snapshot)
        # KerasTuner reads these under its own names.
        self.ongoing_trials = self._desk.ongoing
        self.trials = self.ledger.trials.by_id
        self.start_order, self.end_order = self.ledger.start_order, self.ledger.end_order
        # What a tuner tells of the hypermodel, to know its runs again.
        self.identity: dict[str, Any] = {}
        # Whether whoever runs the trials sees which have failed: KerasTuner's tuners do not.
        self.failures_are_seen = True
        # Reentrant, so that a subclass may call one public method from another.
        self._lock = threading.RLock()

    # ------------------------------------------------------------------ one trial's life

    def prepare(self, call: SearchCall) -> None:
        """Takes what a tuner knows of the training before the trials of a call of `search`.

        Args:
            call: How long a full training is, and how much time there is.

        Raises:
            ValueError: The fidelity's own trainings do not fit into that.
        """
        with self._lock:
            self.fidelity.prepare(call)
            self._search.proposer.costs.prepare(call)

    def create_trial(self, tuner_id: str) -> Trial:
        """Hands out the next trial, as in KerasTuner.

        Args:
            tuner_id: Name of the worker, which gets the trial again that it has not ended.

        Returns:
            The trial; its status is RUNNING, IDLE (ask again later) or STOPPED.

        Raises:
            RuntimeError: The search of a tuner of KerasTuner's is over, and all trials have failed.
        """
        with self._lock:
            self._ensure_ledger()
            self.tuner_ids.add(tuner_id)
            trial = self._desk.again(tuner_id)
            if trial is None:
                trial = self._desk.new(tuner_id, self.max_trials, self.populate_space)
            if trial.status == TrialStatus.STOPPED:
                self.tuner_ids.discard(tuner_id)
                self._desk.close(self.failures_are_seen, self._search.proposer.stop_reason)
            return trial

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Finds the values of the next trial: queued ones first, then the strategy's.

        Args:
            trial_id: The id that the trial will have.

        Returns:
            A dict with `status` (RUNNING, IDLE or STOPPED) and, when RUNNING, `values` and
            `lineage`. After STOPPED, `stop_reason` says why.
        """
        with self._lock:
            plan = self._search.proposer.next_trial()
            if plan is not None:
                values = {**plan.proposal.values, **plan.schedule}
                lineage = self._search.proposer.lineage(plan)
                return {"status": TrialStatus.RUNNING, "values": values, "lineage": lineage}
            if self.ongoing_trials and self._search.proposer.waits:
                return {"status": TrialStatus.IDLE}
            return {"status": TrialStatus.STOPPED}

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Trial:
        """Takes metrics of a running trial, as in KerasTuner; `end_trial` saves them."""
        with self._lock:
            trial = self.trials[trial_id]
            endings.check_costs(self.objectives, metrics)
            self._check_objective_found(metrics)
            endings.take_metrics(trial, self.objectives, metrics, step)
            return trial

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
            verdict = self.fidelity.report(trial_id, epoch, metrics)
            if verdict.notes is not None:
                self._search.note(trial_id, verdict.notes)
            return verdict.stops

    def end_trial(self, trial: Trial | str, status: str = TrialStatus.COMPLETED) -> None:
        """Ends a trial: scores it, saves it, or queues it for another run.

        Args:
            trial: The trial, its status COMPLETED, INVALID (may be run again) or FAILED. Scripts
                for KerasTuner before 1.2 give its id instead, and the status beside it.
            status: Status of a trial that is given by its id; "COMPLETE" is COMPLETED.

        Raises:
            RuntimeError: The last `max_consecutive_failed_trials` trials have failed, the
                hypermodel asked for hyperparameters while `allow_new_entries` is False, or the
                fidelity judges trainings while they run and was told of none.
        """
        with self._lock:
            trial = endings.handed_back(trial, status, self.trials)
            own = self.trials[trial.trial_id]
            if self.ledger.has_ended(own.trial_id):
                warnings.warn(
                    f"Trial {own.trial_id} has ended before; its new result is ignored.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return
            self.update_space(trial.hyperparameters)
            endings.take_over(own, trial)
            if own.status == TrialStatus.COMPLETED:
                endings.score(own, self.score_trial)
            if self._desk.finish(own, self.max_retries_per_trial):
                endings.check_consecutive_failures(
                    self.history.ended, self.max_consecutive_failed_trials
                )
                if own.status == TrialStatus.COMPLETED:
                    self.fidelity.check_reported(own.trial_id)

    def update_space(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Adds hyperparameters that are new, as in KerasTuner."""
        with self._lock:
            known = len(self.hyperparameters.space)
            super().update_space(hyperparameters)
            if len(self.hyperparameters.space) > known:
                self._search.changed(space=True)

    def score_trial(self, trial: Trial) -> None:
        """Scores a trial, as in KerasTuner; of several objectives the score is the first."""
        for objective in reversed(self.objectives):
            trial.score = trial.metrics.get_best_value(objective.name)
            trial.best_step = trial.metrics.get_best_step(objective.name)
            if trial.score is None or not math.isfinite(trial.score):
                trial.message = f"The objective {objective.name} is {trial.score}."
                return

    # ------------------------------------------------------------------ saving and resuming

    def reload(self) -> None:
        """Restores the search from whatever files its folder holds.

        A trial that was running is handed out again, first, with the same id and values.

        Raises:
            ValueError: The folder is of a search with another objective, strategy or hypermodel, or
                of a later version of kerasnas, or its files say what no search can have been.
        """
        with self._lock:
            found = self.ledger.read(self._project_dir)
            run_header.check(found.header, self._header(), self._project_dir)
            with run_header.blaming_files(self._project_dir):
                here = self.hyperparameters
                saved = {"space": found.space, "values": {}}
                self.hyperparameters = keras_tuner.HyperParameters.from_config(saved)
                super().update_space(here)
                self.ongoing_trials.clear()
                self._search.restore(found, functools.partial(with_values, self.hyperparameters))
            self.seed = self._search.facts.seed
            self._search.complete(found, self._header())
            if self.history.completed:
                self.snapshot()

    def save(self) -> None:
        """Writes `oracle.json` when enough has happened; the journal has everything already."""
        with self._lock:
            if self.ledger.wants_snapshot():
                self.snapshot()

    def snapshot(self) -> None:
        """Writes `oracle.json`, in KerasTuner's format, in one step, once the search has begun."""
        with self._lock:
            if self.ledger.is_open:
                self.ledger.save_snapshot(self.get_state())

    def get_state(self) -> dict[str, Any]:
        """Returns the oracle's state in KerasTuner's format, with ours beside it."""
        ours = {
            "header": {"event": "header", **self._header()},
            "state": self._search.proposer.position(),
            "lineage": self.ledger.lineage,
            "enqueued": self._search.proposer.queue.settings,
        }
        return {**super().get_state(), "kerasnas": ours}

    def fail_crashed(self) -> list[Trial]:
        """Fails the trials that have ended their processes too often to be tried again.

        Returns:
            The trials: those whose process has ended three times before their first epoch was over.
        """
        with self._lock:
            return self._desk.fail_crashed()

    def retry_failed(self, crashed: bool = True) -> int:
        """Queues failed trials to be run again, with the same ids and values.

        Args:
            crashed: Whether those whose process ended three times are among them.

        Returns:
            How many there are.
        """
        with self._lock:
            count = self.ledger.requeue_failed(crashed)
            if count:
                # What strategies have derived from the order of ends is derived anew.
                self.reload()
            return count

    # ------------------------------------------------------------------ private

    def _set_project_dir(self, directory: Any, project_name: Any) -> None:
        # KerasTuner's tuner calls it before it deletes the folder, for `overwrite=True`.
        check_name(project_name)
        self.failures_are_seen = False
        super()._set_project_dir(directory, project_name)

    def _header(self) -> dict[str, Any]:
        return self._search.header(self._kind(), self.identity)

    def _kind(self) -> str:
        """Returns the name that says in a run folder which oracle has written it."""
        decides = self.strategy if self.fidelity.trains_in_full else self.fidelity
        return run_header.name_of(decides)

    def _ensure_ledger(self) -> None:
        if self.ledger.is_open:
            return
        if os.path.exists(os.path.join(self._project_dir, JOURNAL)):
            # Killed before the tuner had saved anything, which then does not call reload.
            self.reload()
            return
        self.ledger.begin(self._project_dir, self._header())
        self._search.save_space_and_queue()
