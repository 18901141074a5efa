"""Lets a tuner ask any `keras_tuner.Oracle` what it asks an oracle of `kerasnas.oracles`."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import Oracle, SearchCall
from kerasnas.oracles.engine.events import check_ids
from kerasnas.runtime import run_folder


class ForeignOracle:
    """Answers a tuner's questions for an oracle that is not one of `kerasnas.oracles`.

    That is an oracle of KerasTuner's, or the client that KerasTuner puts in its place in a worker,
    behind which the oracle of the chief is. Where such an oracle cannot do what is asked, nothing
    happens or there is an error, as each method says. What is not defined here is the oracle's own:
    `create_trial`, `get_trial`, `end_trial`, `get_space` and so on.

    Args:
        oracle: The oracle, or the client.
        folder: Folder of the run.

    Attributes:
        kind: Name of the oracle's class.
        objectives: The one objective; of several, KerasTuner makes one that is their sum.
        max_epochs: Epochs of a full training where the oracle says how long a trial trains, as
            KerasTuner's Hyperband does; else None.
        limits: None: the oracle limits nothing.
        reports: False: the oracle judges no training while it runs.
        lineage: Empty: the oracle does not say where a trial comes from.
        chosen: None: it was passed, not chosen.
        stop_reason: None: the oracle does not say why it stops.
        turned_away: 0: the oracle turns no proposals away.
        repaired: 0: the oracle repairs no proposals.
        fidelity_choice: Empty: the oracle does not choose how long trials train.
    """

    limits: Sequence[tuple[keras_tuner.Objective, float]] = ()
    reports = False
    chosen: str | None = None
    stop_reason: str | None = None
    turned_away = 0
    repaired = 0
    fidelity_choice = ""

    def __init__(self, oracle: Any, folder: str) -> None:
        self._oracle = oracle
        self._folder = folder
        self._in_another_process = not isinstance(oracle, keras_tuner.Oracle)
        self.kind = type(oracle).__name__
        self.objectives: list[keras_tuner.Objective] = [oracle.objective]
        self.max_epochs: int | None = getattr(oracle, "max_epochs", None)
        self.lineage: dict[str, dict[str, Any]] = {}
        # What a tuner tells an oracle of ours, and such an oracle has no use for.
        self.identity: dict[str, Any] = {}
        self.failures_are_seen = True

    def __getattr__(self, name: str) -> Any:
        """Whatever KerasTuner asks of an oracle, the oracle itself answers."""
        return getattr(self._oracle, name)

    @property
    def trials(self) -> dict[str, Trial]:
        """All trials by their ids; none where the oracle is in another process."""
        return {} if self._in_another_process else self._oracle.trials

    def runs(self, trial_id: str) -> int:
        """Returns how often a trial was run before; 0 where the oracle is in another process."""
        if self._in_another_process:
            return 0
        return int(self._oracle.get_state().get("run_times", {}).get(trial_id, 0))

    def get_pareto_trials(self) -> list[Trial]:
        """Raises a TypeError: such an oracle knows the sum of several objectives only."""
        raise TypeError(
            "`get_pareto_trials` needs an oracle of kerasnas.oracles. "
            f"Received: oracle of type {self.kind}"
        )

    def enqueue(self, values: Mapping[str, Any]) -> None:
        """Raises a TypeError: such an oracle takes no settings."""
        raise TypeError(
            f"`enqueue` needs an oracle of kerasnas.oracles. Received: oracle of type {self.kind}"
        )

    def attach(
        self,
        gate: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        key: Callable[[dict[str, Any]], str] | None = None,
        work: Callable[[dict[str, Any]], float | None] | None = None,
    ) -> None:
        """Does nothing: such an oracle asks nobody before a proposal becomes a trial."""

    def prepare(self, call: SearchCall) -> None:
        """Does nothing: such an oracle does not ask how long a full training is."""

    def building(self, values: Mapping[str, Any]) -> contextlib.AbstractContextManager[bool]:
        """Allows any proposal to be built: such an oracle keeps no journal."""
        return contextlib.nullcontext(True)

    def report(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Returns False: such an oracle stops no training."""
        return False

    def note_start(self, trial_id: str) -> None:
        """Does nothing: such an oracle keeps no journal."""

    def clear_start(self, trial_id: str) -> None:
        """Does nothing: such an oracle keeps no journal."""

    def fail_crashed(self) -> list[Trial]:
        """Returns no trials: without a journal, it is not known which have ended a process."""
        return []

    def retry_failed(self, crashed: bool = True) -> int:
        """Returns 0: such an oracle runs no failed trial of an earlier search again."""
        return 0

    def snapshot(self) -> None:
        """Writes the oracle's file. One in another process writes its own."""
        if not self._in_another_process:
            self._oracle.save()

    def reload(self) -> None:
        """Lets the oracle read its files, and checks the names of trials that it has found there.

        Raises:
            ValueError: They cannot be read, or name trials as no oracle does.
        """
        run_folder.tidy(self._folder)
        try:
            self._oracle.reload()
            for trial in self.trials.values():
                origin = trial.hyperparameters.values.get("tuner/trial_id", "0")
                check_ids([trial.trial_id, origin])
        except (LookupError, TypeError, AttributeError, ValueError, OSError, RuntimeError) as error:
            raise ValueError(
                f"The oracle's files in {self._folder} cannot be read: {error}. Choose another "
                "`project_name`, pass `overwrite=True`, or use an oracle of kerasnas.oracles, "
                "which reads what is left"
            ) from error


def answering(oracle: Any, folder: str) -> "Oracle | ForeignOracle":
    """Returns what a tuner asks: an oracle of ours itself, any other behind a `ForeignOracle`.

    Args:
        oracle: Any `keras_tuner.Oracle`, or KerasTuner's client of one in another process.
        folder: Folder of the run.
    """
    return oracle if isinstance(oracle, Oracle) else ForeignOracle(oracle, folder)
