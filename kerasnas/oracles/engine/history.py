"""What a strategy gets to see of a search."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, overload

import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials
from kerasnas.oracles.genome import Values


@dataclass
class SearchFacts:
    """What is the same in every view of a search.

    Args:
        space: Callable that returns the search space as it is now.
        proposal_filter: What tells which settings were tried.
        lineage: What is known of how each trial came about, by trial id.
        seed: Seed of all that is random.
        max_trials: How many trials there will be at most; None for no limit.
        max_proposals: How many proposals are tried for one trial.
    """

    space: Callable[[], keras_tuner.HyperParameters]
    proposal_filter: ProposalFilter
    lineage: Mapping[str, Mapping[str, Any]]
    seed: int = 0
    max_trials: int | None = None
    max_proposals: int = 1000


class ReadOnly(Sequence[Trial]):
    """A list of trials that grows with the search, and that its reader cannot change."""

    def __init__(self, trials: list[Trial]):
        self._trials = trials

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | list[Trial]:
        return self._trials[place]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        return repr(self._trials)


class History:
    """A read-only view of a search: its space, its trials, and what they came to.

    Args:
        facts: What is the same in every view of the search.
        trials: The trials that this one shows.
        ranking: What tells which of them are better.

    Attributes:
        revision: A number that changes whenever losses, or the order, of trials that ended do.

    Example:

    ```python
    history = oracle.history
    history.best(1)[0].score
    ```
    """

    def __init__(self, facts: SearchFacts, trials: Trials, ranking: Ranking):
        self._facts, self._ranking = facts, ranking
        self._by_id, self._running = (
            MappingProxyType(trials.by_id),
            MappingProxyType(trials.running),
        )
        self._started, self._ended = ReadOnly(trials.started), ReadOnly(trials.ended)
        self._completed, self._failed = ReadOnly(trials.completed), ReadOnly(trials.failed)
        self.revision = 0

    def showing(self, trials: Trials, ranking: Ranking) -> "History":
        """Returns a view of the same search with other trials, or with other losses of them."""
        return History(self._facts, trials, ranking)

    @property
    def max_trials(self) -> int | None:
        """How many trials there will be at most; None for no limit."""
        return self._facts.max_trials

    @property
    def max_proposals(self) -> int:
        """How many proposals are tried for one trial."""
        return self._facts.max_proposals

    @property
    def seed(self) -> int:
        """The seed of the search."""
        return self._facts.seed

    @property
    def space(self) -> keras_tuner.HyperParameters:
        """The search space as it is now; trials can add hyperparameters to it."""
        return self._facts.space()

    @property
    def trials(self) -> Mapping[str, Trial]:
        """All trials by id, in the order in which they started."""
        return self._by_id

    @property
    def started(self) -> Sequence[Trial]:
        """All trials in the order in which they started."""
        return self._started

    @property
    def running(self) -> Mapping[str, Trial]:
        """The trials that have not ended, by id, in the order in which they started."""
        return self._running

    @property
    def ended(self) -> Sequence[Trial]:
        """The trials that have ended, completed or failed, in the order of their ends."""
        return self._ended

    @property
    def completed(self) -> Sequence[Trial]:
        """The trials that have ended with a score, in the order of their ends."""
        return self._completed

    @property
    def failed(self) -> Sequence[Trial]:
        """The trials that have ended without a score, in the order of their ends."""
        return self._failed

    @property
    def objectives(self) -> Sequence[keras_tuner.Objective]:
        """What the search optimises; mostly one."""
        return self._ranking.objectives

    def values(self, trial: Trial) -> Values:
        """Returns the setting of a trial: its values of the hyperparameters that matter now."""
        return genome.settle(self.space, trial.hyperparameters.values)

    def lineage(self, trial_id: str) -> Mapping[str, Any]:
        """Returns what is known of how a trial came about: its parents, operator, notes."""
        return MappingProxyType(dict(self._facts.lineage.get(trial_id, {})))

    def loss(self, trial: Trial) -> float:
        """Returns the score of a completed trial, turned so that smaller is better."""
        return self._ranking.loss(trial)

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Returns all objectives of a completed trial, turned so that smaller is better."""
        return self._ranking.losses(trial)

    def violation(self, trial: Trial) -> float:
        """Returns by how much of its limits a completed trial is beyond them; 0 within all."""
        return self._ranking.violation(trial)

    def best(self, count: int) -> list[Trial]:
        """Returns at most so many completed trials, the best first."""
        return self._ranking.best(self._completed, count)

    def front(self) -> list[Trial]:
        """Returns the completed trials within the limits that no other one dominates."""
        return self._ranking.front(self._completed)

    def ruled_out(self, values: Values) -> bool:
        """Returns whether a setting was tried, or turned away for the trial that is sought."""
        return self._facts.proposal_filter.ruled_out(values)

    def fits(self, values: Values) -> bool:
        """Returns whether a setting may become a trial; one that may not counts as turned away."""
        return self._facts.proposal_filter.judge(values) == 0

    @property
    def asked(self) -> int:
        """How many settings were judged, and turned away, for the trial that is being sought."""
        return self._facts.proposal_filter.asked

    @property
    def nearest(self) -> str:
        """By how much the setting nearest to the budget broke it, as a text; "" where none did."""
        return self._facts.proposal_filter.smallest()

    def share_of_trials(self, part: int, least: int, most: int) -> int:
        """Returns one part in so many of the trials, within bounds; of 100 without a limit."""
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
        count = genome.size(self.space, limit=size)
        if count is not None and count < size:
            raise ValueError(
                f"population_size must be at most the {count} settings of the search space. Leave "
                "it out, or use GridOracle to try them all. "
                f"Received: population_size={size}"
            )
