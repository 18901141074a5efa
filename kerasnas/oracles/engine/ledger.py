"""The events of a search on disk, and the trials that follow from them.

Every event is one line of `journal.jsonl`, from which a search is restored. `oracle.json` and each
trial's `trial.json` repeat its content in KerasTuner's format; a search survives their loss.
"""

import collections
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles.engine import recovery
from kerasnas.oracles.engine.journal import Journal
from kerasnas.oracles.engine.proposal_filter import key_of
from kerasnas.oracles.engine.trials import Trials
from kerasnas.oracles.genome import Values, network_values
from kerasnas.runtime import sealed
from kerasnas.runtime.files import write_atomic, writing
from kerasnas.runtime.run_folder import JOURNAL, SNAPSHOT, tidy

# A trial whose process ended so often before its first epoch was over has failed.
_STARTS = 3


class Ledger:
    """Writes the trials of a search; nothing else does.

    Attributes:
        folder: The folder of the search; empty before `begin` or `read`.
        trials: The trials that follow from the events.
        start_order: Ids of all trials in the order of their starts.
        end_order: Ids of those that have ended, in the order of their ends.
        lineage: How each trial came about, by its id.
        runs: How often each trial was run, by its id.
        seconds: How long the last run of each ended trial took, by its id.
        waiting: Ids of the trials that will be run again, because a run failed or because the
            process ended during it.
    """

    def __init__(self) -> None:
        self.folder = ""
        self.trials = Trials()
        self.start_order: list[str] = []
        self.end_order: list[str] = []
        self.lineage: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, int] = collections.defaultdict(int)
        self.seconds: dict[str, float] = {}
        self.waiting: list[str] = []
        self._journal: Journal | None = None
        # How many starts of each trial no epoch has followed yet, and which trials this process
        # has started.
        self._starts: dict[str, int] = {}
        self._uncleared: set[str] = set()
        # How often the process died while it built a proposal to judge it, by the proposal's key.
        self._builds: dict[str, int] = {}
        # How many hyperparameters and queued settings the journal has, and how many ended trials
        # oracle.json has.
        self._space_saved = 0
        self._queue_saved = 0
        self._snapshot_size = 0

    @property
    def is_open(self) -> bool:
        """Whether the ledger has a folder, by `begin` or `read`."""
        return self._journal is not None

    # ------------------------------------------------------------------ reading

    def begin(self, folder: str, header: dict[str, Any]) -> None:
        """Begins the ledger of a new search."""
        self.folder = folder
        self._journal = Journal(os.path.join(folder, JOURNAL))
        self.append("header", header)

    def read(self, folder: str) -> recovery.Recovered:
        """Reads the files of a search, without changing `trials`; `restore` does that.

        Returns:
            Everything that can be read.
        """
        tidy(folder)
        found = recovery.recover(folder)
        self.folder = folder
        self._journal = Journal(os.path.join(folder, JOURNAL))
        return found

    def restore(
        self,
        found: recovery.Recovered,
        space_of: Callable[[Values], keras_tuner.HyperParameters],
    ) -> None:
        """Replaces all trials by those that `read` has found."""
        trials: dict[str, Trial] = {}
        for trial_id, record in found.trials.items():
            trial = Trial(space_of(record["values"]), trial_id, record["status"])
            trial.score, trial.best_step = record["score"], record["best_step"] or 0
            trial.message = record["message"]
            if record["metrics"]:
                trial.metrics = type(trial.metrics).from_config(record["metrics"])
            trials[trial_id] = trial
        ended = set(found.ended)
        self.trials.restore(trials, found.ended)
        self.start_order[:], self.end_order[:] = list(trials), found.ended
        for name in trials.keys() - ended:
            trials[name].status = TrialStatus.RUNNING
        self.waiting = [name for name in trials if name not in ended]
        self.lineage.clear()
        self.lineage.update({name: one["lineage"] for name, one in found.trials.items()})
        self.runs.update({name: one["runs"] for name, one in found.trials.items()})
        known = {name: one.get("seconds") for name, one in found.trials.items()}
        self.seconds.clear()
        self.seconds.update({name: one for name, one in known.items() if one is not None})
        self._starts = {name: one["starts"] for name, one in found.trials.items()}
        self._uncleared = set()
        self._builds = found.builds
        _, self._space_saved, self._queue_saved = found.journaled

    def complete(self, found: recovery.Recovered, keys: Mapping[str, list[str]]) -> None:
        """Writes what is missing in the journal and in the files of the trials.

        Args:
            found: The result of `read`, after `restore`.
            keys: The keys under which each trial counts as tried, by trial id.
        """
        for trial_id in found.unjournaled:
            trial = self.trials.by_id[trial_id]
            self.append("created", self._created(trial, keys[trial_id]))
            if trial_id not in self.trials.running:
                place = self.end_order.index(trial_id)
                self.append("ended", {**_record(trial), "at": place})
        for trial_id in found.stale:
            self.save_trial(self.trials.by_id[trial_id])

    # ------------------------------------------------------------------ one trial's life

    def start(
        self, trial: Trial, lineage: dict[str, Any], keys: list[str], position: dict[str, Any]
    ) -> None:
        """Notes that a trial begins.

        Args:
            trial: The trial.
            lineage: How the trial came about.
            keys: The keys under which it counts as tried.
            position: Everything besides the trials that the next proposal depends on.
        """
        self.lineage[trial.trial_id] = lineage
        self.append("created", {**self._created(trial, keys), "state": position})
        self.trials.begin(trial)
        self.start_order.append(trial.trial_id)

    def note_lineage(self, trial_id: str, lineage: dict[str, Any]) -> None:
        """Replaces the lineage of a trial."""
        self.append("reported", {"trial": trial_id, "lineage": lineage})
        self.lineage[trial_id] = lineage

    def note_start(self, trial_id: str) -> None:
        """Notes that a tuner starts a trial, so that starts which kill the process are counted."""
        self.append("started", {"trial": trial_id})
        self._uncleared.add(trial_id)

    def clear_start(self, trial_id: str) -> None:
        """Notes that the last start of a trial did not kill the process; once for each start."""
        if trial_id in self._uncleared:
            self.append("cleared", {"trial": trial_id})
            self._uncleared.discard(trial_id)

    def retry(self, trial: Trial) -> None:
        """Notes that a trial will be run again."""
        self.append("retried", {**_record(trial), "runs": self.runs[trial.trial_id]})
        self.waiting.append(trial.trial_id)

    def end(self, trial: Trial, keys: list[str], seconds: float | None = None) -> None:
        """Notes that a trial has ended.

        Args:
            trial: The trial.
            keys: The keys under which it counts as tried.
            seconds: How long its last run took; None where that is not known.
        """
        ended = {"runs": self.runs[trial.trial_id], "keys": keys, "at": len(self.end_order)}
        if seconds is not None:
            ended["seconds"] = self.seconds[trial.trial_id] = round(seconds, 3)
        # This is the only time in a trial's life that we wait for the disk.
        self.append("ended", {**_record(trial), **ended}, sync=True)
        self.end_order.append(trial.trial_id)
        self.trials.end(trial)
        if trial.trial_id in self.waiting:
            # The chief was restarted and queued this trial again, but its worker was still alive.
            self.waiting.remove(trial.trial_id)

    def has_ended(self, trial_id: str) -> bool:
        """Returns whether a trial has ended."""
        return trial_id not in self.trials.running

    def crashed(self) -> list[Trial]:
        """Returns the waiting trials whose processes have died too often to run them again."""
        return [self.trials.by_id[name] for name in self.waiting if self.starts(name) >= _STARTS]

    def starts(self, trial_id: str) -> int:
        """Returns how many starts of a trial in a row no epoch has followed."""
        return self._starts.get(trial_id, 0)

    def requeue_failed(self, crashed: bool) -> int:
        """Notes that failed trials will be run again, as of the next `read` and `restore`.

        Args:
            crashed: Whether to include the trials whose process has died three times.

        Returns:
            The number of these trials.
        """
        failed = [
            trial.trial_id
            for trial in self.trials.failed
            if crashed or self.starts(trial.trial_id) < _STARTS
        ]
        for name in failed:
            self.append("requeued", {"trial": name})
        return len(failed)

    @contextmanager
    def building(self, values: Mapping[str, Any]) -> Iterator[bool]:
        """Notes that a proposal is being built, so that builds which kill the process are counted.

        Yields:
            Whether the proposal may be built. Where the process has died of it twice, it is not
            built again before it is a trial.
        """
        key = _proposal_of(values)
        if self._journal is None or self._builds.get(key, 0) >= _STARTS - 1:
            yield self._journal is None
            return
        self.append("building", {"key": key})
        try:
            yield True
        finally:
            self.append("built", {"key": key})

    # ------------------------------------------------------------------ files

    def append(self, kind: str, event: Mapping[str, Any], sync: bool = False) -> None:
        """Adds an event to the journal.

        Args:
            kind: Kind of the event; `kerasnas.oracles.engine.events` lists them.
            event: The content of the event.
            sync: Whether to wait until the event is on the disk.

        Raises:
            RuntimeError: The search has no folder yet.
            kerasnas.runtime.files.CannotWriteError: The disk is full or fails.
        """
        if self._journal is None:
            raise RuntimeError("The oracle has no folder yet: a tuner or `open` must set it.")
        self._journal.append({"event": kind, **event}, sync)

    def save_space(self, space: Sequence[Any]) -> None:
        """Writes the hyperparameters that the journal does not have yet."""
        if len(space) > self._space_saved:
            new = keras_tuner.HyperParameters()
            new.merge(space[self._space_saved :])
            configs = new.get_config()["space"]
            self.append("space", {"hyperparameters": configs, "at": self._space_saved})
            self._space_saved = len(space)

    def save_queue(self, settings: Sequence[Values]) -> None:
        """Writes the queued settings that the journal does not have yet."""
        for values in settings[self._queue_saved :]:
            self.append("enqueued", {"values": values, "at": self._queue_saved})
            self._queue_saved += 1

    def save_trial(self, trial: Trial) -> None:
        """Writes the `trial.json` of a trial, in KerasTuner's format."""
        path = recovery.trial_file(self.folder, trial.trial_id)
        text = sealed.dumps(trial.get_state())
        with writing(path, len(text)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, text)

    def wants_snapshot(self, at_the_end: bool = False) -> bool:
        """Returns whether enough trials have ended since the last snapshot to write another one.

        Args:
            at_the_end: Whether one more ended trial is enough, as at the end of a search.
        """
        if at_the_end:
            return len(self.end_order) > self._snapshot_size
        return bool(self.trials.completed) and len(self.end_order) >= 2 * self._snapshot_size

    def save_snapshot(self, state: dict[str, Any]) -> None:
        """Writes `oracle.json` in one step."""
        write_atomic(os.path.join(self.folder, SNAPSHOT), sealed.dumps(state))
        self._snapshot_size = len(self.end_order)

    def _created(self, trial: Trial, keys: list[str]) -> dict[str, Any]:
        values = trial.hyperparameters.values
        return {
            "trial": trial.trial_id,
            "values": values,
            "lineage": self.lineage.get(trial.trial_id, {}),
            "keys": keys,
            "starts": self._builds.get(_proposal_of(values), 0),
        }


def _proposal_of(values: Mapping[str, Any]) -> str:
    """Returns the key of a proposal, whatever the number of epochs that its trial trains."""
    return key_of(network_values(values))


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
