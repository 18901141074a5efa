"""One search: its strategy, its fidelity, its ledger, and what it lets pass, joined."""

from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine import run_header
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.history import History, SearchFacts
from kerasnas.oracles.engine.ledger import Ledger
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.proposer import Proposer
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.recovery import Recovered
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.oracles.genome import Values


class Search:
    """Carries trials from proposals to the ledger; it knows nothing of workers.

    Args:
        strategy: What proposes settings.
        fidelity: What says how long trials train.
        objectives: What the search optimises.
        space: Callable that returns the search space as it is now.
        max_trials: How many trials there will be at most; None for no limit.
        max_proposals: How many proposals are tried for one trial.
        seed: Seed of all that is random; None draws one.

    Attributes:
        strategy: As given.
        fidelity: As given.
        ledger: What writes the run.
        filter: What a proposal must pass.
        history: The trials of the search, as a strategy sees them.
        proposer: What finds the next trial.
        facts: What is the same in every view of the search, its seed among it.

    Example:

    ```python
    search = Search(strategy, Fidelity(), objectives, lambda: space, 50, 1000, seed=0)
    plan = search.proposer.next_trial()
    ```
    """

    def __init__(
        self,
        strategy: Strategy,
        fidelity: Fidelity,
        objectives: Sequence[keras_tuner.Objective],
        space: Callable[[], keras_tuner.HyperParameters],
        max_trials: int | None,
        max_proposals: int,
        seed: int | None,
    ):
        # One of numpy's integers cannot be saved.
        drawn = np.random.SeedSequence().generate_state(1)[0] if seed is None else seed
        self.strategy, self.fidelity = strategy, fidelity
        self.ledger = Ledger()
        self.filter = ProposalFilter()
        self.ranking = Ranking(objectives, strategy.limits)
        self.facts = SearchFacts(
            space, self.filter, self.ledger.lineage, int(drawn), max_trials, max_proposals
        )
        self.history = History(self.facts, self.ledger.trials, self.ranking)
        self.proposer = Proposer(strategy, fidelity, self.history, self.filter, int(drawn))

    def header(self, kind: str, identity: dict[str, Any]) -> dict[str, Any]:
        """Returns what identifies the search in its folder.

        Args:
            kind: Name of the oracle's class.
            identity: What a tuner tells of the hypermodel, to know its runs again.
        """
        objectives = self.ranking.objectives
        return {
            "oracle": kind,
            "objective": [[objective.name, objective.direction] for objective in objectives],
            "settings": run_header.settings_of(self.strategy, self.fidelity),
            "identity": identity,
            "seed": self.facts.seed,
        }

    def restore(
        self, found: Recovered, space_of: Callable[[Values], keras_tuner.HyperParameters]
    ) -> None:
        """Takes up what the ledger has read.

        Args:
            found: What was read.
            space_of: Callable from values to the search space with these values.
        """
        self.ledger.restore(found, space_of)
        self.filter.keys_of_trials = {
            name: record["keys"] for name, record in found.trials.items() if record["keys"]
        }
        self.proposer.queue.restore(found.enqueued)
        self.proposer.restart()
        if found.state is not None:
            self.proposer.take_position(found.state)

    def complete(self, found: Recovered, header: dict[str, Any]) -> None:
        """Writes what the run's files lack of what `restore` has taken up.

        Args:
            found: What was read.
            header: What identifies the search.
        """
        if not found.journaled[0]:
            self.ledger.append("header", header)
        self.save_space_and_queue()
        self.remember_all()
        self.ledger.complete(found, self.filter.keys_of_trials)
        self.proposer.stop_reason = None

    def save_space_and_queue(self) -> None:
        """Journals the hyperparameters and the queued settings that are new."""
        self.ledger.save_space(self.history.space.space)
        self.ledger.save_queue(self.proposer.queue.settings)

    def start(self, trial: Trial, lineage: dict[str, Any]) -> None:
        """Notes that a trial begins.

        Args:
            trial: The trial.
            lineage: How it came about.
        """
        self.save_space_and_queue()
        keys = self.filter.keys_of(trial.trial_id, self.history.values(trial))
        position = self.proposer.position()
        try:
            self.ledger.start(trial, lineage, keys, position)
        except TypeError as error:
            name = type(self.strategy).__name__
            raise TypeError(
                f"What {name}.state() and {name}.note(...) return must be what JSON can hold: "
                f"{error}. Received: state {position['strategy']!r}, lineage {lineage!r}"
            ) from error
        self.filter.tried.update(keys)

    def end(self, trial: Trial) -> None:
        """Notes that a trial has ended, COMPLETED or FAILED."""
        self.save_space_and_queue()
        keys = self.filter.keys_of(trial.trial_id, self.history.values(trial))
        self.ledger.end(trial, keys)
        self.filter.tried.update(keys)

    def retry(self, trial: Trial) -> None:
        """Notes that a trial is to be run again."""
        # What the run that failed has reported says nothing of the next one.
        self.fidelity.retry(trial.trial_id)
        self.note(trial.trial_id, {})
        self.save_space_and_queue()
        self.ledger.retry(trial)

    def note(self, trial_id: str, notes: dict[str, Any]) -> None:
        """Puts what a run has come to into the lineage, in the place of an earlier run's."""
        known = self.ledger.lineage[trial_id]
        kept = {name: v for name, v in known.items() if name not in self.fidelity.run_notes}
        if {**kept, **notes} != known:
            self.ledger.note_lineage(trial_id, {**kept, **notes})

    def changed(self, space: bool = False) -> None:
        """Judges anew what was judged, once the space, the gate or the key are others.

        Args:
            space: Whether it is the space.
        """
        if space:
            self.filter.invalidate_cache()
        self.remember_all()
        self.proposer.stop_reason = None

    def remember_all(self) -> None:
        """Notes the settings of all trials as tried."""
        self.filter.tried.clear()
        for trial in self.history.started:
            self.filter.remember(trial.trial_id, self.history.values(trial))
