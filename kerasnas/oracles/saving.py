"""How a search is saved as it goes, and resumed from whatever is left of it.

Every event is one line of `journal.jsonl`, which is the truth; `oracle.json` and each trial's
`trial.json` are written beside it in KerasTuner's format, each in one step, and can be lost.
"""

import json
import os
import reprlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import recovery
from kerasnas.oracles.admission import key_of
from kerasnas.oracles.journal import Journal
from kerasnas.runtime import sealed
from kerasnas.runtime.files import write_atomic, writing
from kerasnas.runtime.run_folder import JOURNAL, SNAPSHOT, tidy

# A trial whose process ended so often before its first epoch was over has failed.
_STARTS = 3


class SavedOracle(keras_tuner.Oracle):
    """The saving half of `kerasnas.oracles.Oracle`, which is the class to derive from."""

    completed: list[Trial]
    hyperparameters: keras_tuner.HyperParameters
    identity: dict[str, Any]
    lineage: dict[str, dict[str, Any]]
    objectives: list[keras_tuner.Objective]
    stop_reason: str | None
    _ended: set[str]
    _given_seed: int | None  # None where none was given, and once a run was read.
    _enqueued: list[dict[str, Any]]
    _journal: Journal | None
    # Names under which each trial counts as tried.
    _keys: dict[str, list[str]]
    _runs: dict[str, int]
    # Starts that count against each trial, and the trials that this process has started.
    _starts: dict[str, int]
    _uncleared: set[str]
    # How often the process ended while a proposal was built to be judged, by its name.
    _builds: dict[str, int]
    _waiting: list[str]
    # How much of the space and of the queue is in the journal, and of the trials in oracle.json.
    _space_saved: int
    _enqueued_saved: int
    _snapshot_size: int

    def reload(self) -> None:
        """Restores the search from whatever files its folder holds.

        A trial that was running is handed out again, first, with the same id and values.

        Raises:
            ValueError: The folder is of a search with another objective, strategy or hypermodel, or
                of a later version of kerasnas, or its files say what no search can have been.
        """
        with self._lock:
            folder = self.folder
            tidy(folder)
            found = recovery.recover(folder)
            self._check_header(found.header)
            self._journal = Journal(os.path.join(folder, JOURNAL))
            header_saved, self._space_saved, self._enqueued_saved = found.journaled
            with self._believing():
                self._restore_space(found.space)
                self.lineage.clear()
                self._restore_trials(found)
                queued, self._enqueued = self._enqueued, found.enqueued
                self._enqueued += [values for values in queued if values not in found.enqueued]
                if found.state is not None:
                    self._take_position(found.state)
                if found.header is not None:
                    self._take_seed(found.header["seed"])
            if not header_saved:
                self._append(self._header())
            self._save_space_and_queue()
            for trial_id in found.unjournaled:
                trial = self.trials[trial_id]
                self._append(self._created(trial, state=False))
                if trial_id in self._ended:
                    place = self.end_order.index(trial_id)
                    self._append({"event": "ended", **_record(trial), "at": place})
            for trial_id in found.stale:
                self._save_trial(self.trials[trial_id])
            self._remember_all()
            self.stop_reason = None
            if self.completed:
                self.snapshot()

    def note_start(self, trial_id: str) -> None:
        """Journals that a tuner begins to run a trial, in case that its process dies of it.

        Args:
            trial_id: A running trial.
        """
        with self._lock:
            self._append({"event": "started", "trial": trial_id})
            self._uncleared.add(trial_id)

    def clear_start(self, trial_id: str) -> None:
        """Journals that the last start of a trial does not count against it; only once a start.

        Args:
            trial_id: A trial of which an epoch is over, or that the search left by itself.
        """
        with self._lock:
            if trial_id in self._uncleared:
                self._append({"event": "cleared", "trial": trial_id})
                self._uncleared.discard(trial_id)

    @contextmanager
    def building(self, values: Mapping[str, Any]) -> Iterator[bool]:
        """Journals that a proposal is built to be judged, in case that its process dies of it.

        Args:
            values: The proposal.

        Yields:
            Whether it may be built. Where the process ended twice over it, the trial that it
            becomes has to show whether it ends once more.
        """
        key = _proposal_of(values)
        if self._journal is None or self._builds.get(key, 0) >= _STARTS - 1:
            yield self._journal is None
            return
        self._append({"event": "building", "key": key})
        try:
            yield True
        finally:
            self._append({"event": "built", "key": key})

    def fail_crashed(self) -> list[Trial]:
        """Fails the trials that have ended their processes too often to be tried again.

        Returns:
            The trials: those whose process has ended three times before their first epoch was over.
        """
        with self._lock:
            crashed = [
                self.trials[name] for name in self._waiting if self._starts.get(name, 0) >= _STARTS
            ]
            for trial in crashed:
                trial.status = TrialStatus.FAILED
                trial.message = (
                    f"its process ended {self._starts[trial.trial_id]} times before its first "
                    "epoch was over: a crash of the runtime, memory that ran out, or a kill. "
                    "`retry_failed=True` runs it again"
                )
                self._runs[trial.trial_id] += 1
                self._save_end(trial)
            return crashed

    def retry_failed(self, crashed: bool = True) -> int:
        """Queues failed trials to be run again, with the same ids and values.

        Args:
            crashed: Whether those whose process ended three times are among them.

        Returns:
            How many there are.
        """
        with self._lock:
            failed = [
                name
                for name in self.end_order
                if self.trials[name].status == TrialStatus.FAILED
                and (crashed or self._starts.get(name, 0) < _STARTS)
            ]
            for name in failed:
                self._append({"event": "requeued", "trial": name})
            if failed:
                # What strategies have derived from the order of ends is derived anew.
                self.reload()
                self.forget()
            return len(failed)

    def save(self) -> None:
        """Writes `oracle.json` when enough has happened; the journal has everything already."""
        with self._lock:
            if self.completed and len(self.end_order) >= max(1, 2 * self._snapshot_size):
                self.snapshot()

    def snapshot(self) -> None:
        """Writes `oracle.json`, in KerasTuner's format, in one step."""
        with self._lock:
            path = os.path.join(self.folder, SNAPSHOT)
            write_atomic(path, sealed.dumps(self.get_state()))
            self._snapshot_size = len(self.end_order)

    def get_state(self) -> dict[str, Any]:
        """The oracle's state in KerasTuner's format, with ours beside it."""
        ours = {
            "header": self._header(),
            "state": self._position(),
            "lineage": self.lineage,
            "enqueued": self._enqueued,
        }
        return {**super().get_state(), "kerasnas": ours}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up a state that `get_state` gave, for trials that are there already."""
        super().set_state(state)
        ours = state["kerasnas"]
        self.lineage, self._enqueued = ours["lineage"], ours["enqueued"]
        self._ended = set(self.end_order)
        self._collect_completed()
        self._take_position(ours["state"])
        self._remember_all()

    def _position(self) -> dict[str, Any]:
        """All that the next proposal depends on besides the trials."""
        return {
            "rng": self.rng.bit_generator.state,
            "strategy": self.strategy_state(),
            "turned_away": self._admission.turned_away,
            "repeats": self._admission.repeats,
            "repaired": self._admission.repaired,
            "enqueued": self._enqueued_done,
        }

    def _take_position(self, position: dict[str, Any]) -> None:
        self.rng.bit_generator.state = position["rng"]
        self.set_strategy_state(position["strategy"])
        self._admission.turned_away = position["turned_away"]
        self._admission.repeats = position["repeats"]
        self._admission.repaired = position["repaired"]
        self._enqueued_done = position["enqueued"]

    def _save_retry(self, trial: Trial) -> None:
        self._save_space_and_queue()
        runs = self._runs[trial.trial_id]
        self._append({"event": "retried", **_record(trial), "runs": runs})
        self._waiting.append(trial.trial_id)
        self._release(trial)

    def _save_end(self, trial: Trial) -> None:
        self._save_space_and_queue()
        # The one wait for the disk in a trial's life.
        self._append(
            {
                "event": "ended",
                **_record(trial),
                "runs": self._runs[trial.trial_id],
                "keys": self._keys_of(trial),
                "at": len(self.end_order),
            },
            sync=True,
        )
        self.end_order.append(trial.trial_id)
        self._ended.add(trial.trial_id)
        if trial.status == TrialStatus.COMPLETED:
            self.completed.append(trial)
        try:
            self._remember(trial)
            self._save_trial(trial)
            self.save()
        finally:
            # Last, since the chief exits when nothing is ongoing.
            self._release(trial)

    def _release(self, trial: Trial) -> None:
        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing.trial_id == trial.trial_id:
                del self.ongoing_trials[tuner_id]
        if trial.trial_id in self._ended and trial.trial_id in self._waiting:
            # A worker ended what a restarted chief had queued for another run.
            self._waiting.remove(trial.trial_id)

    def _append(self, event: dict[str, Any], sync: bool = False) -> None:
        if self._journal is None:
            raise RuntimeError("The oracle has no folder yet: a tuner or `open` must set it.")
        self._journal.append(event, sync)

    def _save_space_and_queue(self) -> None:
        """Journals hyperparameters and queued settings that are new."""
        space = self.hyperparameters.space
        if len(space) > self._space_saved:
            new = keras_tuner.HyperParameters()
            new.merge(space[self._space_saved :])
            configs = new.get_config()["space"]
            self._append({"event": "space", "hyperparameters": configs, "at": self._space_saved})
            self._space_saved = len(space)
        for values in self._enqueued[self._enqueued_saved :]:
            self._append({"event": "enqueued", "values": values, "at": self._enqueued_saved})
            self._enqueued_saved += 1

    def _created(self, trial: Trial, state: bool = True) -> dict[str, Any]:
        event = {
            "event": "created",
            "trial": trial.trial_id,
            "values": trial.hyperparameters.values,
            "lineage": self.lineage.get(trial.trial_id, {}),
            "keys": self._keys_of(trial),
            "starts": self._builds.get(_proposal_of(trial.hyperparameters.values), 0),
        }
        return {**event, "state": self._position()} if state else event

    def _save_trial(self, trial: Trial) -> None:
        path = recovery.trial_file(self.folder, trial.trial_id)
        text = sealed.dumps(trial.get_state())
        with writing(path, len(text)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, text)

    def _ensure_journal(self) -> None:
        if self._journal is not None:
            return
        path = os.path.join(self.folder, JOURNAL)
        if os.path.exists(path):
            # Killed before the tuner had saved anything, which then does not call reload.
            self.reload()
            return
        self._journal = Journal(path)
        self._append(self._header())
        self._save_space_and_queue()

    def _header(self) -> dict[str, Any]:
        return {
            "event": "header",
            "oracle": type(self).__name__,
            "objective": [[objective.name, objective.direction] for objective in self.objectives],
            "settings": self.settings(),
            "identity": self.identity,
            "seed": self.seed,
        }

    def _check_header(self, saved: dict[str, Any] | None) -> None:
        if saved is None:
            return
        now = json.loads(json.dumps(self._header()))
        for part in ("oracle", "objective", "settings", "identity"):
            # A plain tuner knows no identity; that is no contradiction.
            if part == "identity" and not (saved[part] and now[part]):
                continue
            if saved[part] != now[part]:
                before, here = _apart(saved[part], now[part])
                raise ValueError(
                    f"The folder {self.folder} holds another search: its {part} is "
                    f"{reprlib.repr(before)}. Pass overwrite=True to replace it, or another "
                    f"project_name. Received: {reprlib.repr(here)}"
                )

    def _take_seed(self, saved: int) -> None:
        if self._given_seed not in (None, saved):
            warnings.warn(
                f"The run in {self.folder} was begun with seed={saved}, and goes on with it. "
                "Choose another `project_name` for a search with another seed. "
                f"Received: seed={self._given_seed}",
                RuntimeWarning,
                stacklevel=4,
            )
        self.seed, self._given_seed = saved, None

    @contextmanager
    def _believing(self) -> Iterator[None]:
        """Says of which folder it is that its files make no sense."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"The run in {self.folder} cannot be read: its files are damaged, or no search has "
                f"written them ({type(error).__name__}: {error}). Choose another `project_name`, "
                "or pass `overwrite=True` to delete it"
            ) from error

    def _restore_space(self, configs: list[dict[str, Any]]) -> None:
        here = self.hyperparameters
        saved = {"space": configs, "values": {}}
        self.hyperparameters = keras_tuner.HyperParameters.from_config(saved)
        super().update_space(here)

    def _restore_trials(self, found: recovery.Recovered) -> None:
        self.trials.clear()
        self.ongoing_trials.clear()
        self.start_order, self.end_order = list(found.trials), found.ended
        self._ended = set(found.ended)
        self._waiting = []
        self._starts = {name: record["starts"] for name, record in found.trials.items()}
        self._uncleared = set()
        self._builds = found.builds
        for trial_id, record in found.trials.items():
            trial = Trial(self._with_values(record["values"]), trial_id, record["status"])
            trial.score, trial.best_step = record["score"], record["best_step"] or 0
            trial.message = record["message"]
            if record["metrics"]:
                trial.metrics = type(trial.metrics).from_config(record["metrics"])
            self.trials[trial_id] = trial
            self.lineage[trial_id] = record["lineage"]
            self._runs[trial_id] = record["runs"]
            if record["keys"]:
                self._keys[trial_id] = record["keys"]
            if trial_id not in self._ended:
                trial.status = TrialStatus.RUNNING
                self._waiting.append(trial_id)
        self._collect_completed()

    def _collect_completed(self) -> None:
        self.completed = [
            self.trials[name]
            for name in self.end_order
            if self.trials[name].status == TrialStatus.COMPLETED
        ]


def _proposal_of(values: Mapping[str, Any]) -> str:
    """The name of a proposal, which knows nothing of how long its trial will train."""
    return key_of({name: value for name, value in values.items() if not name.startswith("tuner/")})


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        "values": trial.hyperparameters.values,
        "score": trial.score,
        "best_step": trial.best_step,
        "metrics": trial.metrics.get_config(),
        "message": trial.message,
    }


def _apart(before: Any, here: Any) -> tuple[Any, Any]:
    """Two things that differ; of dictionaries, only the entries that do, for a short text."""
    if not (isinstance(before, dict) and isinstance(here, dict)):
        return before, here
    names = [key for key in {**before, **here} if before.get(key) != here.get(key)]
    first, second = ({key: one[key] for key in names if key in one} for one in (before, here))
    return first, second
