"""The base of all oracles: how a trial is handed out, judged, ended and learned from.

This is the only file that touches private parts of KerasTuner's `Oracle` and `HyperParameters`, as
read in keras-tuner 1.4.8 (1.4.7 is the same): `_project_dir`, `_set_project_dir`,
`_check_objective_found`, `HyperParameters._space` and `HyperParameters._hps`. `create_trial`,
`update_trial` and `end_trial` are replaced as a whole: KerasTuner's leave their lock held after an
exception, save the same state several times, and lose a trial that is run again.
"""

import collections
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.admission import Admission, describe, key_of
from kerasnas.oracles.genome import Values
from kerasnas.oracles.objectives import direction, is_cost, members, of_file, resolve
from kerasnas.oracles.proposal import Proposal, find
from kerasnas.oracles.ranking import RankedOracle
from kerasnas.runtime.run_folder import check_name


class Oracle(RankedOracle):
    """Base of the search strategies: a strategy is one method, `propose`.

    The base hands out trials, turns away proposals that repeat an architecture or break the budget
    before they become trials, and saves every event in a journal, so that a search killed at any
    instruction goes on as an unbroken one would have. It works in any `keras_tuner.Tuner`.

    Args:
        objective: As in KerasTuner: a metric's name, a `keras_tuner.Objective`, or, for a strategy
            of several objectives, a list of these. The costs `params`, `macs`, `flash` and `ram`
            are known by name too, and so is what is measured on a trial's file, such as
            `val_tflite_accuracy` and `tflite_size`; only `kerasnas.Tuner` reports them.
        max_trials: How many trials at most, failed ones included; None for no limit. The oracles
            of kerasnas that say nothing else have 10.
        hyperparameters: A `keras_tuner.HyperParameters` that declares or fixes part of the space.
        allow_new_entries: Whether the hypermodel may ask for hyperparameters not declared there.
        tune_new_entries: Whether those are searched; if not, they keep their defaults.
        seed: Integer; every proposal follows from it. None draws one, which is saved.
        max_retries_per_trial: How often a crashed or NaN trial is run again before it has failed.
        max_consecutive_failed_trials: So many failed trials in a row end the search with an error;
            None for never, as long as one is completed before the search ends.
        max_proposals: How many proposals are tried for one trial before the search ends because
            none meets the budget or is new.
        warm_start: Settings that are tried before the strategy's own proposals, such as
            `kerasnas.oracles.proxies.rank` finds: they start its population.

    Attributes:
        multi_objective: Whether the strategy takes a list of objectives.
        max_epochs: Epochs of a full training, where the oracle says how long a trial trains; None
            where `search` says it.
        limits: What a trial must keep within, known only after training: pairs of an objective and
            its limit.
        reports: Whether the oracle judges trainings while they run, by `report`.
        patience: How many proposals for one trial may break the budget before the nearest of them
            is repaired: changed step by step until it fits.

    Raises:
        ValueError: A limit is not positive, or several objectives for a strategy of one.

    Example:

    ```python
    class Coin(kerasnas.oracles.Oracle):
        def propose(self, rng):
            return Proposal(genome.sample(self.hyperparameters, rng))

    tuner = keras_tuner.Tuner(oracle=Coin("val_accuracy", max_trials=20), hypermodel=build)
    ```
    """

    multi_objective = False
    max_epochs: int | None = None
    limits: Sequence[tuple[keras_tuner.Objective, float]] = ()
    reports = False
    # With fewer, repairs lead further away; with more, more are redrawn in vain
    # (`benchmarks/repair.py --patience`).
    patience = 10

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: Iterable[Mapping[str, Any]] = (),
    ):
        check_count("max_trials", max_trials, at_least=1, optional=True)
        check_count("max_retries_per_trial", max_retries_per_trial, at_least=0)
        check_count(
            "max_consecutive_failed_trials", max_consecutive_failed_trials, 1, optional=True
        )
        check_count("max_proposals", max_proposals, at_least=1)
        check_count("seed", seed, at_least=0, optional=True)
        if not isinstance(hyperparameters, keras_tuner.HyperParameters | None):
            raise TypeError(
                "hyperparameters must be a keras_tuner.HyperParameters. "
                f"Received: hyperparameters={hyperparameters!r}"
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
        self.objectives = members(self.objective)
        if len(self.objectives) > 1 and not self.multi_objective:
            raise ValueError(
                f"{type(self).__name__} searches for one objective. Use NSGA2Oracle for several, "
                "or pass one of them and keep the costs within a budget. "
                f"Received: objective={[one.name for one in self.objectives]}"
            )
        self._given_seed = seed
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = int(seed)  # One of numpy's cannot be saved.
        self.max_proposals = max_proposals
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.identity: dict[str, Any] = {}
        self.lineage: dict[str, dict[str, Any]] = {}
        self.stop_reason: str | None = None
        # Whether whoever runs the trials sees which have failed: KerasTuner's tuners do not.
        self.failures_are_seen = True
        # What `make("auto")` chose, and why.
        self.chosen: str | None = None
        self.hyperparameters: keras_tuner.HyperParameters
        # Completed trials in the order of their ends: what strategies learn from.
        self.completed: list[Trial] = []
        self._ended: set[str] = set()
        self._keys: dict[str, list[str]] = {}
        self._admission = Admission()
        # Ids of trials to be handed out again, and how often each trial was run.
        self._waiting: list[str] = []
        self._runs: dict[str, int] = collections.defaultdict(int)
        self._starts: dict[str, int] = {}
        self._uncleared: set[str] = set()
        self._builds: dict[str, int] = {}
        self._enqueued: list[Values] = []
        self._enqueued_done = 0
        self._enqueued_saved = 0
        self._space_saved = 0
        self._snapshot_size = 0
        self._journal: Any = None
        # Reentrant, so that a subclass may call one public method from another.
        self._lock = threading.RLock()
        if isinstance(warm_start, (str, Mapping)):
            raise ValueError(
                "warm_start must be a list of settings. A proxy needs the hypermodel: pass its "
                "name to kerasnas.Tuner, or what kerasnas.oracles.proxies.rank returns here. "
                f"Received: warm_start={warm_start!r}"
            )
        for values in warm_start:
            self.enqueue(values)

    # ------------------------------------------------------------------ what a strategy overrides

    def propose(self, rng: np.random.Generator) -> Proposal | None:
        """Proposes the next setting. Each strategy has its own.

        Called again while its proposals are turned away. It may read `self.completed`,
        `self.trials` and `self.hyperparameters`, and takes all that is random from `rng`. What else
        it keeps between calls belongs in `strategy_state`, and changes only here.

        Args:
            rng: The oracle's generator.

        Returns:
            The proposal, or None to wait until a running trial has ended.
        """
        raise NotImplementedError(f"{type(self).__name__} must define propose(self, rng).")

    def strategy_state(self) -> dict[str, Any]:
        """What a strategy keeps between proposals, small and fit for JSON."""
        return {}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up a state that `strategy_state` gave."""

    def forget(self) -> None:
        """Drops what was derived from the trials, whose losses have changed.

        Only a strategy that keeps such between proposals, and proposes for another oracle, has to.
        """

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Takes what an epoch of a running trial has come to, where `reports` is True.

        Args:
            trial_id: The trial.
            epoch: How many epochs it was trained.
            metrics: The objective's best value so far, by its name.

        Returns:
            Whether the training is to stop.
        """
        return False

    def settings(self) -> dict[str, Any]:
        """Arguments that a resumed search must share with the first run, fit for JSON."""
        return {}

    # ------------------------------------------------------------------ what users and tuners call

    @property
    def turned_away(self) -> int:
        """How many settings broke the budget and became no trial, each once a trial at most.

        Proposals count, and steps to repair one. What was in the way of one trial counts again
        where it is in the way of another.
        """
        return self._admission.turned_away

    @property
    def repaired(self) -> int:
        """How many trials are proposals that broke the budget, changed until they met it."""
        return self._admission.repaired

    @property
    def repeats(self) -> int:
        """How many proposals were of an architecture already tried."""
        return self._admission.repeats

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
            self._admission.attach(gate, key)
            self._keys.clear()
            self._remember_all()
            self.stop_reason = None

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
            values = {name: genome.plain(value) for name, value in values.items()}
            if self.hyperparameters.space:
                trouble = self._trouble(values)
                if trouble:
                    raise ValueError(f"Cannot enqueue: {trouble}")
            if values not in self._enqueued:
                self._enqueued.append(values)
            self.stop_reason = None
            if self._journal is not None:
                self._save_space_and_queue()

    def runs(self, trial_id: str) -> int:
        """Returns how often a trial was run to its end, failed runs included."""
        return self._runs.get(trial_id, 0)

    def ruled_out(self, values: Values) -> bool:
        """Whether a setting was tried, or turned away since the last trial; for strategies."""
        return self._admission.ruled_out(values)

    def share_of_trials(self, part: int, least: int, most: int) -> int:
        """One part in so many of the trials (of 100 where there is no limit), within bounds."""
        return min(max((self.max_trials or 100) // part, least), most)

    def check_population(self, size: int | None) -> None:
        """Refuses a population that a user wants, and that the space is too small for.

        Args:
            size: The population, or None where the user left it to the strategy.

        Raises:
            ValueError: The space has fewer settings.
        """
        if size is None or self.trials:
            return
        count = genome.size(self.hyperparameters, limit=size)
        if count is not None and count < size:
            raise ValueError(
                f"population_size must be at most the {count} settings of the search space. Leave "
                "it out, or use GridOracle to try them all. "
                f"Received: population_size={size}"
            )

    @property
    def folder(self) -> str:
        """The folder of the search."""
        return self._project_dir

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
        self._ensure_journal()

    def _set_project_dir(self, directory: Any, project_name: Any) -> None:
        # KerasTuner's tuner calls it before it deletes the folder, for `overwrite=True`.
        check_name(project_name)
        self.failures_are_seen = False
        super()._set_project_dir(directory, project_name)

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
            self._ensure_journal()
            before = self._position()
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            self.tuner_ids.add(tuner_id)
            if self._waiting:
                trial = self.trials[self._waiting.pop(0)]
                trial.status = TrialStatus.RUNNING
                # What is left of the last run would otherwise hide the results of this one.
                trial.metrics = type(trial.metrics)()
                trial.score, trial.message = None, None
                self.ongoing_trials[tuner_id] = trial
                return trial
            trial_id = self._next_id()
            try:
                if self.max_trials and len(self.trials) >= self.max_trials:
                    response: dict[str, Any] = {"status": TrialStatus.STOPPED}
                else:
                    response = self.populate_space(trial_id)
                if response["status"] == TrialStatus.RUNNING:
                    return self._start(tuner_id, trial_id, response["values"])
            except BaseException:
                # What did not become a trial must leave no trace in what comes next.
                if trial_id not in self.trials:
                    self._take_position(before)
                raise
            if response["status"] == TrialStatus.STOPPED:
                self.tuner_ids.discard(tuner_id)
                if self._snapshot_size < len(self.end_order):
                    self.snapshot()
                self._check_any_completed()
            return Trial(self._with_values({}), trial_id, response["status"])

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Finds the values of the next trial: queued ones first, then the strategy's.

        Args:
            trial_id: The id that the trial will have.

        Returns:
            A dict with `status` (RUNNING, IDLE or STOPPED) and, when RUNNING, `values`. After
            STOPPED, `stop_reason` says why.
        """
        with self._lock:
            if not self.hyperparameters.space:
                return self._explore_empty_space(trial_id)
            queued = self._next_enqueued()
            if queued is not None:
                return self._accept(trial_id, queued)
            if self.stop_reason is not None:
                return {"status": TrialStatus.STOPPED}
            before = self._position()
            proposal, reason = find(
                lambda: self.propose(self.rng),
                self.hyperparameters,
                self.rng,
                self._admission,
                self.max_proposals,
                self.patience,
            )
            if proposal is not None:
                return self._accept(trial_id, proposal)
            if reason is None and self.ongoing_trials:
                # As if it had not been asked: how often a worker asks must change nothing.
                self._take_position(before)
                return {"status": TrialStatus.IDLE}
            self.stop_reason = reason or "the strategy has nothing more to propose"
            return {"status": TrialStatus.STOPPED}

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Trial:
        """Takes metrics of a running trial, as in KerasTuner; `end_trial` saves them."""
        with self._lock:
            trial = self.trials[trial_id]
            ours = [one.name for one in self.objectives if is_cost(one.name) or of_file(one.name)]
            if any(name not in metrics for name in ours):
                raise ValueError(
                    f"Objectives that only kerasnas.Tuner reports: {', '.join(ours)}. Use it, or "
                    f"report them too. Received: metrics={sorted(metrics)}"
                )
            self._check_objective_found(metrics)
            directions = {objective.name: objective.direction for objective in self.objectives}
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    trial.metrics.register(name, directions.get(name) or direction(name))
                trial.metrics.update(name, value, step=step)
            return trial

    def end_trial(self, trial: Trial | str, status: str = TrialStatus.COMPLETED) -> None:
        """Ends a trial: scores it, saves it, or queues it for another run.

        Args:
            trial: The trial, its status COMPLETED, INVALID (may be run again) or FAILED. Scripts
                for KerasTuner before 1.2 give its id instead, and the status beside it.
            status: Status of a trial that is given by its id; "COMPLETE" is COMPLETED.

        Raises:
            RuntimeError: The last `max_consecutive_failed_trials` trials have failed, or the
                hypermodel asked for hyperparameters while `allow_new_entries` is False.
        """
        with self._lock:
            if isinstance(trial, str):
                # A copy, as from a worker: what it says is taken over below, or nothing of it.
                own = self.trials[trial]
                status = TrialStatus.COMPLETED if status == "COMPLETE" else status
                trial = Trial(own.hyperparameters, own.trial_id, status)
            own = self.trials[trial.trial_id]
            if own.trial_id in self._ended:
                warnings.warn(
                    f"Trial {own.trial_id} has ended before; its new result is ignored.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return
            self.update_space(trial.hyperparameters)
            self._take_values(own, trial)
            own.status, own.message = trial.status, trial.message
            if own.status == TrialStatus.COMPLETED:
                self._score(own)
            self._runs[own.trial_id] += 1
            try:
                if own.status == TrialStatus.INVALID:
                    if self._runs[own.trial_id] <= self.max_retries_per_trial:
                        self._save_retry(own)
                        return
                    own.status = TrialStatus.FAILED
                self._save_end(own)
            except OSError:
                # With no room for its result it has not been run.
                self._runs[own.trial_id] -= own.trial_id not in self._ended
                raise
            self._check_consecutive_failures()

    def update_space(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Adds hyperparameters that are new, as in KerasTuner."""
        with self._lock:
            known = len(self.hyperparameters.space)
            super().update_space(hyperparameters)
            if len(self.hyperparameters.space) > known:
                self._admission.forget()
                self._remember_all()
                self.stop_reason = None

    # ------------------------------------------------------------------ private

    def _start(self, tuner_id: str, trial_id: str, values: Values) -> Trial:
        trial = Trial(self._with_values(values), trial_id, TrialStatus.RUNNING)
        self._save_space_and_queue()
        self._append(self._created(trial))
        self.trials[trial_id] = trial
        self.ongoing_trials[tuner_id] = trial
        self.start_order.append(trial_id)
        self._remember(trial)
        self._save_trial(trial)
        return trial

    def _accept(self, trial_id: str, proposal: Proposal) -> dict[str, Any]:
        lineage: dict[str, Any] = {
            "parents": list(proposal.parents),
            "operator": proposal.operator,
        }
        if proposal.parents:
            parent = self.trials[proposal.parents[0]].hyperparameters.values
            old = genome.settle(self.hyperparameters, parent)
            new = genome.settle(self.hyperparameters, proposal.values)
            lineage["changed"] = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        self.lineage[trial_id] = lineage
        return {"status": TrialStatus.RUNNING, "values": proposal.values}

    def _explore_empty_space(self, trial_id: str) -> dict[str, Any]:
        """One trial shows which hyperparameters there are, where nobody has declared any."""
        if not self._admission.ruled_out({}):
            return self._accept(trial_id, Proposal({}, operator="default"))
        if self.ongoing_trials:
            return {"status": TrialStatus.IDLE}
        self.stop_reason = "the search space has no hyperparameters"
        return {"status": TrialStatus.STOPPED}

    def _next_enqueued(self) -> Proposal | None:
        while self._enqueued_done < len(self._enqueued):
            values = self._enqueued[self._enqueued_done]
            self._enqueued_done += 1
            trouble = self._trouble(values)
            if trouble:
                warnings.warn(f"Skipped a queued setting: {trouble}", RuntimeWarning, stacklevel=4)
                continue
            full = genome.complete(self.hyperparameters, values)
            if self._admission.tried.isdisjoint(self._admission.keys(full)):
                return Proposal(full, operator="enqueued")
        return None

    def _trouble(self, values: Values) -> str:
        """What keeps a queued setting from becoming a trial, or nothing."""
        try:
            full = genome.complete(self.hyperparameters, values)
        except ValueError as error:
            return str(error)
        violations = self._admission.violations(full)
        return f"{values} breaks the budget: {describe(violations)}" if violations else ""

    def _take_values(self, own: Trial, ended: Trial) -> None:
        """Takes over what the build has registered, keeping what was proposed as it was."""
        proposed = own.hyperparameters.values
        own.hyperparameters = ended.hyperparameters
        space = own.hyperparameters
        # A worker's copy went through 32-bit floats.
        values = {**space.values, **proposed}
        known = {hp.name for hp in space.space}
        extra = {name: value for name, value in values.items() if name not in known}
        space.values = {**genome.settle(space, values), **extra}

    def _check_consecutive_failures(self) -> None:
        limit = self.max_consecutive_failed_trials
        last = self.end_order[-limit:] if limit else []
        if limit and [self.trials[name].status for name in last] == [TrialStatus.FAILED] * limit:
            raise RuntimeError(
                f"The last {limit} trials have failed "
                f"(max_consecutive_failed_trials={limit}).\n"
                + (self.trials[last[-1]].message or "")
            )

    def _check_any_completed(self) -> None:
        """Refuses to end a search in silence that has only failed trials."""
        if self.failures_are_seen or self.completed or self.ongoing_trials or not self.end_order:
            return
        first = self.trials[self.end_order[0]].message or "no reason was given"
        raise RuntimeError(
            f"No trial was completed: all {len(self.end_order)} failed. Mend the cause and pass "
            "`overwrite=True` to begin anew; max_consecutive_failed_trials=3 ends a search at its "
            f"third failure in a row. The first failed with:\n{first}"
        )

    def _next_id(self) -> str:
        numbers = [int(name) for name in self.start_order[-1:] if name.isdigit()]
        number = max([len(self.trials), *(last + 1 for last in numbers)])
        return f"{number:0{len(str(self.max_trials))}d}"

    def _with_values(self, values: Values) -> keras_tuner.HyperParameters:
        """The space with values; shares the hyperparameters, which nothing changes."""
        space = keras_tuner.HyperParameters()
        space._space = list(self.hyperparameters._space)
        space._hps = collections.defaultdict(
            list, {name: list(same) for name, same in self.hyperparameters._hps.items()}
        )
        space.values = dict(values)
        return space

    def _remember(self, trial: Trial) -> None:
        self._admission.tried.update(self._keys_of(trial))

    def _keys_of(self, trial: Trial) -> list[str]:
        """Names under which a trial counts as tried; asked for once, since it can mean a build."""
        values = genome.settle(self.hyperparameters, trial.hyperparameters.values)
        known = self._keys.get(trial.trial_id, [])
        complete = 1 if self._admission.key is None else 2
        if len(known) < complete or known[0] != key_of(values):
            known = self._keys[trial.trial_id] = self._admission.keys(values)
        return known

    def _remember_all(self) -> None:
        self._admission.tried.clear()
        for trial in self.trials.values():
            self._remember(trial)


def check_share(name: str, value: Any, zero: bool = True) -> None:
    """Refuses an argument that is not a number from 0 (or above it) to 1."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1 or (value == 0 and not zero):
        least = "from 0" if zero else "above 0 and up"
        raise ValueError(f"{name} must be {least} to 1. Received: {name}={value!r}")


def check_count(name: str, value: Any, at_least: int, optional: bool = False) -> None:
    """Refuses an argument that is not an integer of at least a number (or None if optional)."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise ValueError(
            f"{name} must be an integer of at least {at_least}"
            f"{' or None' if optional else ''}. Received: {name}={value!r}"
        )
