"""One search: its strategy, fidelity, filter and ledger, joined."""

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
    """Takes trials from their proposal to the ledger; workers are the desk's concern.

    Its arguments are those of `kerasnas.oracles.Oracle`; `space` returns the search space as it is
    now.

    Attributes:
        ledger: Writes the run.
        filter: Turns away repeats and settings that break the budget.
        history: The view of all trials.
        proposer: Finds the next trial.
        facts: The facts that all views of the search share, such as its seed.
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
        names = [objective.name for objective in objectives]
        strategy.check_objectives(names)
        fidelity.check_objectives(names)
        # JSON cannot hold integers of numpy.
        drawn = np.random.SeedSequence().generate_state(1)[0] if seed is None else seed
        self.strategy, self.fidelity = strategy, fidelity
        self.ledger = Ledger()
        self.filter = ProposalFilter()
        self.ranking = Ranking(objectives, strategy.limits, tier=fidelity.tier)
        self.facts = SearchFacts(
            space,
            self.filter,
            self.ledger.lineage,
            int(drawn),
            max_trials,
            max_proposals,
            self.ledger.seconds,
        )
        self.history = History(self.facts, self.ledger.trials, self.ranking)
        self.proposer = Proposer(strategy, fidelity, self.history, self.filter, int(drawn))
        self._given_seed = seed  # None where none was given, and once a run was read.

    def header(self, kind: str, identity: dict[str, Any]) -> dict[str, Any]:
        """Returns the header, which identifies the search in its folder."""
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
        """Restores the search from what the ledger has read."""
        self.ledger.restore(found, space_of)
        self.filter.keys_of_trials = {
            name: record["keys"] for name, record in found.trials.items() if record["keys"]
        }
        self.proposer.queue.restore(found.enqueued)
        self.proposer.restart()
        if found.state is not None:
            self.proposer.take_position(found.state)
        if found.header is not None:
            run_header.check_seed(found.header["seed"], self._given_seed, self.ledger.folder)
            self.facts.seed, self._given_seed = found.header["seed"], None

    def complete(self, found: Recovered, header: dict[str, Any]) -> None:
        """Writes what is missing in the files of the run, after `restore`."""
        if not found.journaled[0]:
            self.ledger.append("header", header)
        self.save_space_and_queue()
        self.changed()
        self.ledger.complete(found, self.filter.keys_of_trials)

    def save_space_and_queue(self) -> None:
        """Writes new hyperparameters and newly queued settings to the journal."""
        self.ledger.save_space(self.history.space.space)
        self.ledger.save_queue(self.proposer.queue.settings)

    def start(self, trial: Trial, lineage: dict[str, Any]) -> None:
        """Notes that a trial begins."""
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

    def end(self, trial: Trial, seconds: float | None = None) -> None:
        """Notes that a trial has ended.

        Args:
            trial: The trial.
            seconds: How long its last run took; None where that is not known.
        """
        self.save_space_and_queue()
        keys = self.filter.keys_of(trial.trial_id, self.history.values(trial))
        self.ledger.end(trial, keys, seconds)
        self.filter.tried.update(keys)

    def retry(self, trial: Trial) -> None:
        """Notes that a trial will be run again."""
        # The reports of the failed run do not apply to the next one.
        self.fidelity.retry(trial.trial_id)
        self.note(trial.trial_id, {})
        self.save_space_and_queue()
        self.ledger.retry(trial)

    def note(self, trial_id: str, notes: dict[str, Any]) -> None:
        """Writes the notes of a run into the lineage, in place of those of an earlier run.

        Args:
            trial_id: Id of the trial.
            notes: The notes; {} removes those of an earlier run.
        """
        known = self.ledger.lineage[trial_id]
        kept = {name: v for name, v in known.items() if name not in self.fidelity.run_notes}
        if {**kept, **notes} != known:
            self.ledger.note_lineage(trial_id, {**kept, **notes})

    def changed(self, space: bool = False) -> None:
        """Updates what depends on the space, the gate and the key after one of them has changed."""
        if space:
            self.filter.invalidate_cache()
        self.filter.tried.clear()
        for trial in self.history.started:
            self.filter.remember(trial.trial_id, self.history.values(trial))
        self.proposer.stop_reason = None
