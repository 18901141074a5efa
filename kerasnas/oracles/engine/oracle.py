"""The oracle: a search with a strategy and a fidelity, in any tuner."""

import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine import arguments, subclass
from kerasnas.oracles.engine.fidelity import Fidelity, made_fidelity
from kerasnas.oracles.engine.search_oracle import SearchOracle
from kerasnas.oracles.engine.strategy import made
from kerasnas.oracles.engine.subclass import StrategyMethods, SubclassStrategy
from kerasnas.oracles.genome import Values


def _forwarded(path: str, doc: str) -> Any:
    """Returns a property that asks a part of the oracle."""
    return property(operator.attrgetter(path), doc=doc)


class Oracle(StrategyMethods, SearchOracle):
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
            strategy, objective, max_trials, hyperparameters = subclass.in_order(
                strategy, objective, max_trials, hyperparameters
            )
        arguments.check(
            max_trials,
            max_retries_per_trial,
            max_consecutive_failed_trials,
            max_proposals,
            seed,
            hyperparameters,
            warm_start,
        )
        self._inherited = made(strategy)
        super().__init__(
            SubclassStrategy(self) if self.proposes() else self._inherited,
            made_fidelity(fidelity),
            objective,
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            max_proposals=max_proposals,
            seed=seed,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.shown = self.history
        # What `make("auto")` chose, and why.
        self.chosen: str | None = None
        for values in warm_start:
            self.enqueue(values)

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
    fidelity_choice: str = _forwarded(
        "fidelity.choice", "What the fidelity has chosen by itself, and why; empty for nothing."
    )
    reports: bool = _forwarded(
        "fidelity.reports", "Whether it judges trainings while they run, by `report`."
    )
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
        work: Callable[[Values], float | None] | None = None,
    ) -> None:
        """Lets a tuner judge proposals before they become trials.

        Args:
            gate: Callable from values to the broken limits: {} when they fit, else a mapping from
                a limit's name to an object with the numbers `value` and `limit`.
            key: Callable from values to a string that is the same for the same architecture.
            work: Callable from values to the multiply-accumulates of their network for a sample, or
                None where they are not known. It says which trials take long, which counts where
                the time is limited and the number of trials is not.

        Example:

        ```python
        oracle.attach(gate=lambda values: {}, key=lambda values: str(values["units"]))
        ```
        """
        with self._lock:
            self._search.filter.attach(gate, key, work)
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

    def _kind(self) -> str:
        return super()._kind() if type(self) is Oracle else type(self).__name__
