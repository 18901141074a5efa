"""The loop of a search: asks the oracle for trials, has them run, and says how it goes."""

import contextlib
import dataclasses
import gc
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import Oracle
from kerasnas.runtime.files import CannotWriteError
from kerasnas.runtime.session import seeded
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.progress import Progress, format_seconds, quiet_tracing, reason
from kerasnas.tuners.results import Results
from kerasnas.tuners.warm_start import FirstTrials

_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 5.0  # Seconds between two questions to an idle oracle.
_ALARMING = 3  # Failures in a row, from the first trial on, that look like a mistake.


@dataclasses.dataclass
class SearchLoop:
    """Has trials run until the oracle stops or the time is over.

    Args:
        tuner: The tuner, which runs a trial, and whose hooks are called around it.
        oracle: What the tuner asks.
        results: What the trials have come to.
        first_trials: What is trained before the oracle's own proposals.
        seed: Seed of what is drawn between the trials.
    """

    tuner: keras_tuner.Tuner
    oracle: Oracle | ForeignOracle
    results: Results
    first_trials: FirstTrials
    seed: int

    def __post_init__(self) -> None:
        self._progress: Progress | None = None
        self._said: set[str] = set()

    def say_once(self, text: str) -> None:
        """Prints a line, once in all searches of the tuner; nothing before the first."""
        if self._progress is not None and text not in self._said:
            self._said.add(text)
            self._progress.say(text)

    def take_up(self, retry_failed: bool) -> list[Trial]:
        """Puts what an earlier search has left into order, before any trial runs.

        Args:
            retry_failed: Whether all failed trials are to be run again. If none was completed, they
                are without that, but for those that have ended their processes.

        Returns:
            Trials that have failed because they ended their processes too often.
        """
        crashed = self.oracle.fail_crashed()
        nothing_learned = self.results.ended() and not self.results.any_completed()
        if retry_failed or nothing_learned:
            # A trial that has ended its process would end it again: it is run only on request.
            self.oracle.retry_failed(crashed=retry_failed)
        return crashed

    def run(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        fit: Mapping[str, Any],
        verbose: int,
        max_time: float | None,
        crashed: Sequence[Trial],
    ) -> None:
        """Runs one call of `search`.

        Args:
            args: Positional arguments of `search`.
            kwargs: Its keyword arguments.
            fit: What of them are arguments of `keras.Model.fit`, by name.
            verbose: 0 for nothing, 1 for a line a trial, 2 beside Keras's own lines.
            max_time: Seconds after which no trial starts; None for no limit.
            crashed: Trials that have failed because they ended their processes.

        Raises:
            RuntimeError: Not one trial was completed.
            ValueError: Not one could be run.
            OSError: A file cannot be written.
        """
        deadline = None if max_time is None else time.monotonic() + max_time
        new, done = not self.results.trials(), self.results.ended()
        progress = Progress(verbose, self.oracle.max_trials, len(done), deadline)
        self._progress = progress
        self._announce(progress, crashed, done)
        frozen = gc.get_freeze_count()
        self.tuner.on_search_begin()
        try:
            # These also hold for what the gate builds between the trials.
            with quiet_tracing(), seeded(self.seed, "search"):
                if new:
                    self.first_trials.enqueue(fit, progress.say, max_time)
                failures = self._run_trials(progress, max_time, args, kwargs)
                completed = bool(self.results.best_trials(1))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                progress.say("Interrupted. Run it again to go on from here")
            if isinstance(error, CannotWriteError):
                progress.say(
                    "Stopped: a file cannot be written. Make room and run it again to go on from "
                    "here: no trial has failed for it"
                )
            # Nothing is lost if this fails, for the journal has everything.
            with contextlib.suppress(OSError):
                self.oracle.snapshot()
            raise
        else:
            self.oracle.snapshot()
        finally:
            if not frozen:  # Or it would also thaw what somebody else has frozen.
                gc.unfreeze()
            progress.close()
        self.tuner.on_search_end()
        stop_reason = self.oracle.stop_reason
        if not completed and failures:
            raise RuntimeError(
                f"No trial was completed: all {len(failures)} failed, the first with: {failures[0]}"
            )
        if not completed and stop_reason:
            raise ValueError(f"No trial could be run: {stop_reason}")
        if stop_reason:
            progress.say(f"Stopped: {stop_reason}")

    def _announce(
        self, progress: Progress, crashed: Sequence[Trial], done: Sequence[Trial]
    ) -> None:
        """Says who proposes, and what an earlier search has left."""
        if self.oracle.chosen:
            progress.say(f"Strategy: {self.oracle.chosen}")
        for trial in crashed:
            progress.say(f"trial {trial.trial_id} has failed: {trial.message}")
        if not done:
            return
        progress.say(f"Resuming {self.tuner.project_dir}: {len(done)} trials are done")
        failed = sum(trial.status == "FAILED" for trial in done)
        if failed and not isinstance(self.oracle, ForeignOracle):
            progress.say(
                f"{failed} of them failed in an earlier search and are not run again: "
                "search(..., retry_failed=True) does"
            )

    def _run_trials(
        self,
        progress: Progress,
        max_time: float | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> list[str]:
        """Runs trials, and gives the reasons of all that have failed, earlier ones included."""
        trials = self.results.trials()
        failures = [reason(trial.message) for trial in trials if trial.status == "FAILED"]
        wait = _SHORTEST_WAIT
        while True:
            if progress.deadline is not None and time.monotonic() >= progress.deadline:
                progress.say(
                    f"Stopped: max_time of {format_seconds(max_time or 0)} is over. "
                    "Call search again to go on"
                )
                return failures
            self.tuner.pre_create_trial()
            trial = self.oracle.create_trial(self.tuner.tuner_id)
            if self.oracle.fidelity_choice:
                self.say_once(f"Fidelity: {self.oracle.fidelity_choice}")
            if trial.status == "STOPPED":
                return failures
            if trial.status == "IDLE":
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait = _SHORTEST_WAIT
            progress.begin_trial(trial.trial_id)
            ended = self._run_trial(trial, args, kwargs)
            outcome: dict[str, float] | str = reason(ended.message)
            if ended.status == "COMPLETED":
                outcome = self.results.reached(ended)
            elif ended.status == "FAILED":
                failures.append(reason(ended.message))
                self._warn_of(failures)
            else:
                progress.say(f"trial {ended.trial_id} will be tried again: {outcome}")
                continue
            progress.end_trial(
                ended.trial_id,
                outcome,
                self.results.best_so_far(),
                self.oracle.turned_away,
                self.oracle.repaired,
            )

    def _run_trial(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trial:
        """Has the tuner run a trial, and gives what the oracle has made of it."""
        # Each trained model leaves some 9,000 objects behind, which every later collection would
        # visit: 7 ms more a trial. Between two trials only such leftovers are frozen.
        gc.collect()
        gc.freeze()
        self.oracle.note_start(trial.trial_id)
        try:
            self.tuner.on_trial_begin(trial)
            self.tuner._try_run_and_update_trial(trial, *args, **kwargs)
            self.tuner.on_trial_end(trial)
        except BaseException:
            # The trial has not ended the process, which a start without an end would say.
            with contextlib.suppress(OSError):
                self.oracle.clear_start(trial.trial_id)
            raise
        return self.oracle.get_trial(trial.trial_id)

    def _warn_of(self, failures: Sequence[str]) -> None:
        """Warns when the first trials have all failed for one reason."""
        alarming = len(failures) == _ALARMING and len({*failures}) == 1
        if alarming and not self.results.best_trials(1):
            warnings.warn(
                f"The first {_ALARMING} trials all failed, and none was completed: {failures[0]}",
                stacklevel=5,  # The user's call of `search`.
            )
