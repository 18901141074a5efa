"""The oracle: how a trial is handed out, judged, ended and saved, whatever the strategy.

This is the only file that touches private parts of KerasTuner's `Oracle`, as read in keras-tuner
1.4.8 (1.4.7 is the same): `_project_dir`, `_set_project_dir` and `_check_objective_found`.
`create_trial`, `update_trial` and `end_trial` are replaced as a whole: KerasTuner's leave their
lock held after an exception, save the same state several times, and lose a trial that is run
again.
"""

import functools
import operator
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.engine import arguments, endings, run_header, subclass
from kerasnas.oracles.engine.desk import Desk
from kerasnas.oracles.engine.fidelity import Fidelity, made_fidelity
from kerasnas.oracles.engine.objectives import members, resolve
from kerasnas.oracles.engine.search import Search
from kerasnas.oracles.engine.space import with_values
from kerasnas.oracles.engine.strategy import Strategy, is_strategy, made
from kerasnas.oracles.engine.subclass import StrategyMethods, SubclassStrategy
from kerasnas.oracles.genome import Values
from kerasnas.runtime.run_folder import JOURNAL, check_name


def _forwarded(path: str, doc: str) -> Any:
    """Returns a property that asks a part of the oracle."""
    return property(operator.attrgetter(path), doc=doc)


class Oracle(StrategyMethods):
    """Searches with any strategy, in any `keras_tuner.Tuner`.

    It hands out trials, turns away proposals that repeat an architecture or break the budget before
    they become trials, and saves every event in a journal, so that a search killed at any
    instruction goes on as an unbroken one would have.

    Args:
        strategy: What proposes settings: a `kerasnas.oracles.Strategy`, or its class.
        objective: As in KerasTuner: a metric's name, a `keras_tuner.Objective`, or, for a strategy
            of several objectives, a list of these. The costs `params`, `macs`, `flash` and `ram`
            are known by name too, and so is what is measured on a trial's file, such as
            `val_tflite_accuracy` and `tflite_size`; only `kerasnas.Tuner` reports them.
        max_trials: How many trials at most, failed ones included; None for no limit. The oracles
            of kerasnas that say nothing else have 10.
        hyperparameters: A `keras_tuner.HyperParameters` that declares or fixes part of the space.
        fidelity: How long trials train: None for as long as the call of `search` says, or
            `kerasnas.oracles.Hyperband` or `kerasnas.oracles.ASHA`.
        allow_new_entries: Whether the hypermodel may ask for hyperparameters not declared there.
        tune_new_entries: Whether those are searched; if not, they keep their defaults.
        seed: Integer; every proposal follows from it. None draws one, which is saved.
        max_retries_per_trial: How often a crashed or NaN trial is run again before it has failed.
        max_consecutive_failed_trials: So many failed trials in a row end the search with an error;
            None for never, as long as one is completed before the search ends.
        max_proposals: How many proposals, and after them random settings, are tried for one trial
            before the search ends because none meets the budget or is new. A strategy that repeats
            itself a quarter of them in a row is not asked further for that trial.
        warm_start: Settings that are tried before the strategy's own proposals, such as
            `kerasnas.oracles.proxies.rank` finds: they start its population.

    Attributes:
        strategy: A copy of the strategy that was given, or the one that was made of its class.
        fidelity: A copy of the fidelity that was given.
        history: What the search has come to so far, as strategies see it.
        ledger: What writes the run.

    Raises:
        TypeError: A strategy, fidelity or space of another type.
        ValueError: A limit is not positive, or several objectives for a strategy of one.

    Example:

    >>> import kerasnas as kn
    >>> class Coin(kn.oracles.Strategy):
    ...     def propose(self, history, rng):
    ...         return kn.oracles.Proposal(kn.oracles.genome.sample(history.space, rng))
    >>> oracle = kn.oracles.Oracle(Coin(), "val_accuracy", max_trials=20, seed=0)
    """

    def __init__(
        self,
        strategy: Any = None,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        fidelity: Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: Iterable[Mapping[str, Any]] = (),
    ):
        if self.proposes():
            subclass.warn(type(self).__name__, type(self).propose)
            if not (strategy is None or is_strategy(strategy)):
                # In the order of version 0.1: the objective comes first.
                if objective is not None:
                    max_trials, hyperparameters = objective, hyperparameters or max_trials
                strategy, objective = None, strategy
            strategy = strategy or Strategy()
        arguments.check(
            max_trials,
            max_retries_per_trial,
            max_consecutive_failed_trials,
            max_proposals,
            seed,
            hyperparameters,
            warm_start,
        )
        super().__init__(
            objective=resolve(objective),
            max_trials=None if max_trials is None else int(max_trials),  # One of numpy's, too.
            # A copy: what the search adds to the space must not reach the next search.
            hyperparameters=None if hyperparameters is None else hyperparameters.copy(),
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            # KerasTuner replaces 0 and None by a draw from the global generator.
            seed=1,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.hyperparameters: keras_tuner.HyperParameters
        self.objectives = members(self.objective)
        self._inherited = made(strategy)
        self.strategy = SubclassStrategy(self) if self.proposes() else self._inherited
        self.fidelity = made_fidelity(fidelity)
        names = [objective.name for objective in self.objectives]
        self.strategy.check_objectives(names)
        self.fidelity.check_objectives(names)
        self._search = Search(
            self.strategy,
            self.fidelity,
            self.objectives,
            lambda: self.hyperparameters,
            self.max_trials,
            max_proposals,
            seed,
        )
        self.seed = self._search.facts.seed
        self._given_seed = seed  # None where none was given, and once a run was read.
        self.history, self.ledger = self._search.history, self._search.ledger
        self.shown = self.history
        self._desk = Desk(self._search, self.snapshot)
        # KerasTuner reads these under its own names.
        self.ongoing_trials = self._desk.ongoing
        self.trials = self.ledger.trials.by_id
        self.start_order, self.end_order = self.ledger.start_order, self.ledger.end_order
        # What a tuner tells of the hypermodel, to know its runs again.
        self.identity: dict[str, Any] = {}
        # Whether whoever runs the trials sees which have failed: KerasTuner's tuners do not.
        self.failures_are_seen = True
        # What `make("auto")` chose, and why.
        self.chosen: str | None = None
        # Reentrant, so that a subclass may call one public method from another.
        self._lock = threading.RLock()
        for values in warm_start:
            self.enqueue(values)

    # ------------------------------------------------------------------ what users and tuners ask

    completed: Sequence[Trial] = _forwarded(
        "history.completed", "The completed trials, in the order of their ends."
    )
    lineage: dict[str, dict[str, Any]] = _forwarded(
        "ledger.lineage", "What is known of how each trial came about, by trial id."
    )
    enqueued: Sequence[Values] = _forwarded(
        "_search.proposer.queue.settings", "All settings that were put before the proposals."
    )
    stop_reason: str | None = _forwarded(
        "_search.proposer.stop_reason", "Why there will be no further proposal, or None."
    )
    rng: np.random.Generator = _forwarded(
        "_search.proposer.rng", "The generator of all that is random in the search."
    )
    turned_away: int = _forwarded(
        "_search.filter.turned_away",
        "How many settings broke the budget, proposals and steps of a repair; each once a trial.",
    )
    repaired: int = _forwarded(
        "_search.filter.repaired",
        "How many trials are proposals changed to meet the budget.",
    )
    repeats: int = _forwarded(
        "_search.filter.repeats", "How many proposals were of an architecture already tried."
    )
    limits: Sequence[tuple[keras_tuner.Objective, float]] = _forwarded(
        "_search.ranking.limits", "Limits of metrics and costs; trials within them rank first."
    )
    max_epochs: int | None = _forwarded(
        "fidelity.max_epochs", "Epochs of a full training, or None where `search` says that."
    )
    reports: bool = _forwarded(
        "fidelity.reports", "Whether it judges trainings while they run, by `report`."
    )
    folder: str = _forwarded("_project_dir", "The folder of the search.")
    note_start: Callable[[str], None] = _forwarded(
        "ledger.note_start", "Notes that a tuner begins to run a trial, and may die of it."
    )
    clear_start: Callable[[str], None] = _forwarded(
        "ledger.clear_start", "Notes that the last start of a trial does not count against it."
    )
    building: Callable[[Mapping[str, Any]], AbstractContextManager[bool]] = _forwarded(
        "ledger.building", "Notes that a proposal is built to be judged, which may end the process."
    )

    def runs(self, trial_id: str) -> int:
        """Returns how often a trial was run to its end."""
        return self.ledger.runs.get(trial_id, 0)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials, of those that completed with a finite score.

        Args:
            num_trials: How many at most; never filled up with failed ones.

        Returns:
            Trials, the best first; of equals, the first to end. Where the strategy has
            limits, those within them come first, front after front.
        """
        with self._lock:
            return self.history.best(num_trials)

    def get_pareto_trials(self) -> list[Trial]:
        """Returns the completed trials that no other one dominates; of one objective, the best.

        Returns:
            Trials within the strategy's limits, those with the best first objective first.
        """
        with self._lock:
            return self.history.front()

    def attach(
        self,
        gate: Callable[[Values], Mapping[str, Any]] | None = None,
        key: Callable[[Values], str] | None = None,
    ) -> None:
        """Lets a tuner judge proposals before they become trials.

        Args:
            gate: Callable from values to the broken limits: {} when they fit, else a mapping from
                a limit's name to an object with the numbers `value` and `limit`.
            key: Callable from values to a string that is the same for the same architecture.

        Example:

        ```python
        oracle.attach(gate=lambda values: {}, key=lambda values: str(values["units"]))
        ```
        """
        with self._lock:
            self._search.filter.attach(gate, key)
            self._search.changed()

    def enqueue(self, values: Mapping[str, Any]) -> None:
        """Puts a known-good setting before all proposals.

        Args:
            values: Values by name; missing ones take their defaults.

        Raises:
            ValueError: An unknown name, a value outside of the space, or a broken budget. Where the
                space or the budget is not known yet, this is a warning at the first trial.

        Example:

        ```python
        oracle.enqueue({"units": 64})
        ```
        """
        with self._lock:
            self._search.proposer.queue.add(values, self.hyperparameters)
            self._search.proposer.stop_reason = None
            if self.ledger.is_open:
                self._search.save_space_and_queue()

    def open(self, directory: str | os.PathLike[str], project_name: str = "search") -> None:
        """Sets the folder of the search and resumes what is there; a tuner does this by itself.

        Args:
            directory: The folder that holds projects.
            project_name: The project's folder in it.

        Example:

        ```python
        oracle.open("runs", "digits")
        trial = oracle.create_trial("me")
        ```
        """
        self._set_project_dir(os.fspath(directory), project_name)
        self.failures_are_seen = True
        self._ensure_ledger()

    # ------------------------------------------------------------------ one trial's life

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
            known = self._desk.again(tuner_id)
            if known is not None:
                return known
            before, trial_id = self._search.proposer.position(), self._desk.next_id(self.max_trials)
            try:
                response: dict[str, Any] = {"status": TrialStatus.STOPPED}
                if self.max_trials is None or len(self.trials) < self.max_trials:
                    response = self.populate_space(trial_id)
                space = with_values(self.hyperparameters, response.get("values", {}))
                trial = Trial(space, trial_id, response["status"])
                if trial.status == TrialStatus.RUNNING:
                    lineage = response.get("lineage", {"parents": [], "operator": "own"})
                    self._desk.begin(tuner_id, trial, lineage)
            except BaseException:
                # What did not become a trial must leave no trace in what comes next.
                if trial_id not in self.trials:
                    self._search.proposer.take_position(before)
                raise
            if trial.status == TrialStatus.STOPPED:
                self.tuner_ids.discard(tuner_id)
                self._desk.close(self.failures_are_seen, self.stop_reason)
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
            if isinstance(trial, str):
                # A copy, as from a worker: what it says is taken over below, or nothing of it.
                own = self.trials[trial]
                status = TrialStatus.COMPLETED if status == "COMPLETE" else status
                trial = Trial(own.hyperparameters, own.trial_id, status)
            endings.check_status(trial)
            own = self.trials[trial.trial_id]
            if self.ledger.has_ended(own.trial_id):
                warnings.warn(
                    f"Trial {own.trial_id} has ended before; its new result is ignored.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return
            self.update_space(trial.hyperparameters)
            endings.take_values(own, trial)
            own.status, own.message = trial.status, trial.message
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
        endings.best_values(trial, self.objectives)

    # ------------------------------------------------------------------ saving and resuming

    def reload(self) -> None:
        """Restores the search from whatever files its folder holds.

        A trial that was running is handed out again, first, with the same id and values.

        Raises:
            ValueError: The folder is of a search with another objective, strategy or hypermodel, or
                of a later version of kerasnas, or its files say what no search can have been.
        """
        with self._lock:
            folder = self.folder
            found = self.ledger.read(folder)
            run_header.check(found.header, self._header(), folder)
            with run_header.blaming_files(folder):
                here = self.hyperparameters
                saved = {"space": found.space, "values": {}}
                self.hyperparameters = keras_tuner.HyperParameters.from_config(saved)
                super().update_space(here)
                self.ongoing_trials.clear()
                self._search.restore(found, functools.partial(with_values, self.hyperparameters))
                if found.header is not None:
                    saved_seed = found.header["seed"]
                    run_header.check_seed(saved_seed, self._given_seed, folder)
                    self.seed = self._search.facts.seed = saved_seed
                    self._given_seed = None
            self._search.complete(found, self._header())
            if self.completed:
                self.snapshot()

    def save(self) -> None:
        """Writes `oracle.json` when enough has happened; the journal has everything already."""
        with self._lock:
            if self.ledger.wants_snapshot():
                self.snapshot()

    def snapshot(self) -> None:
        """Writes `oracle.json`, in KerasTuner's format, in one step."""
        with self._lock:
            self.ledger.save_snapshot(self.get_state())

    def get_state(self) -> dict[str, Any]:
        """Returns the oracle's state in KerasTuner's format, with ours beside it."""
        ours = {
            "header": {"event": "header", **self._header()},
            "state": self._search.proposer.position(),
            "lineage": self.lineage,
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
        own = type(self) is not Oracle
        kind = type(self).__name__ if own else run_header.kind_of(self.strategy, self.fidelity)
        return self._search.header(kind, self.identity)

    def _ensure_ledger(self) -> None:
        if self.ledger.is_open:
            return
        folder = self.folder
        if os.path.exists(os.path.join(folder, JOURNAL)):
            # Killed before the tuner had saved anything, which then does not call reload.
            self.reload()
            return
        self.ledger.begin(folder, self._header())
        self._search.save_space_and_queue()
