"""The read-only view of a search that strategies get."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials
from kerasnas.oracles.genome import Values


@dataclass
class SearchFacts:
    """The facts about a search that all of its views share.

    Args:
        space: Callable that returns the search space as it is now.
        proposal_filter: The filter that knows which settings were tried.
        lineage: How each trial came about, by trial id.
        seed: Seed of the search.
        max_trials: How many trials there will be at most; None for no limit.
        max_proposals: How many proposals are tried for one trial.
        seconds: How long each ended trial took, by trial id.
    """

    space: Callable[[], keras_tuner.HyperParameters]
    proposal_filter: ProposalFilter
    lineage: Mapping[str, Mapping[str, Any]]
    seed: int = 0
    max_trials: int | None = None
    max_proposals: int = 1000
    seconds: Mapping[str, float] = field(default_factory=dict)


class ReadOnly(Sequence[Trial]):
    """A list of trials that grows with the search, and that its reader cannot change."""

    def __init__(self, trials: list[Trial]):
        self._trials = trials

    def __getitem__(self, place: Any) -> Any:
        return self._trials[place]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        return repr(self._trials)


class History:
    """A read-only view of a search: its space, its trials and their losses.

    Args:
        facts: The facts that all views of the search share.
        trials: The trials that this view shows.
        ranking: The ranking that says which trials are better.

    Attributes:
        revision: Integer that grows whenever the loss of an ended trial, or the order in which
            trials ended, changes. What a strategy has derived from them is then out of date.

    Example:

    ```python
    history = oracle.history
    history.best(1)[0].score
    ```
    """

    def __init__(self, facts: SearchFacts, trials: Trials, ranking: Ranking):
        self._facts, self._trials, self._ranking = facts, trials, ranking
        self.revision = 0

    def showing(self, trials: Trials, ranking: Ranking) -> "History":
        """Returns another view of the same search.

        Args:
            trials: The trials that it shows.
            ranking: The ranking of these trials, which says what their losses are.
        """
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
        return MappingProxyType(self._trials.by_id)

    @property
    def started(self) -> Sequence[Trial]:
        """All trials in the order in which they started."""
        return ReadOnly(self._trials.started)

    @property
    def running(self) -> Mapping[str, Trial]:
        """The trials that have not ended, by id, in the order in which they started."""
        return MappingProxyType(self._trials.running)

    @property
    def ended(self) -> Sequence[Trial]:
        """The trials that have ended, completed or failed, in the order of their ends."""
        return ReadOnly(self._trials.ended)

    @property
    def completed(self) -> Sequence[Trial]:
        """The trials that have ended with a score, in the order of their ends."""
        return ReadOnly(self._trials.completed)

    @property
    def failed(self) -> Sequence[Trial]:
        """The trials that have ended without a score, in the order of their ends."""
        return ReadOnly(self._trials.failed)

    @property
    def objectives(self) -> Sequence[keras_tuner.Objective]:
        """The objectives of the search; usually one."""
        return tuple(self._ranking.objectives)

    def values(self, trial: Trial) -> Values:
        """Returns the setting of a trial.

        Args:
            trial: Any trial of the search.

        Returns:
            The values of all hyperparameters that are active in the space as it is now. Where the
            space has grown since, new ones have their defaults.
        """
        return genome.settle(self.space, trial.hyperparameters.values)

    def lineage(self, trial_id: str) -> Mapping[str, Any]:
        """Returns how a trial came about: its `parents`, its `operator`, and notes.

        Args:
            trial_id: Id of the trial.
        """
        return MappingProxyType(dict(self._facts.lineage.get(trial_id, {})))

    def seconds(self, trial_id: str) -> float | None:
        """Returns how long an ended trial took, from its start to its end.

        Args:
            trial_id: Id of the trial.

        Returns:
            Seconds, or None where it is not known.
        """
        return self._facts.seconds.get(trial_id)

    def loss(self, trial: Trial) -> float:
        """Returns the loss of a completed trial: its score, negated if large scores are better.

        Args:
            trial: A completed trial.

        Returns:
            Float, in the unit of the first objective; smaller is better.
        """
        return self._ranking.loss(trial)

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Returns the losses of a completed trial, one for each objective.

        Args:
            trial: A completed trial.

        Returns:
            Tuple of floats in the order of `objectives`; smaller is better.
        """
        return self._ranking.losses(trial)

    def violation(self, trial: Trial) -> float:
        """Returns by how much a completed trial breaks the limits of the strategy.

        Args:
            trial: A completed trial.

        Returns:
            Sum, over all limits, of the excess as a share of the limit: 0 for a trial within all
            limits, infinity where a limited value is not known.
        """
        return self._ranking.violation(trial)

    def best(self, count: int) -> list[Trial]:
        """Returns the best completed trials.

        Args:
            count: How many at most.

        Returns:
            Trials, the best first.
        """
        return self._ranking.best(self._trials.completed, count)

    def front(self) -> list[Trial]:
        """Returns the completed trials within the limits that no other one dominates."""
        return self._ranking.front(self._trials.completed)

    def ruled_out(self, values: Values) -> bool:
        """Returns whether a setting was tried, or was already turned away for the next trial.

        Args:
            values: The setting.
        """
        return self._facts.proposal_filter.ruled_out(values)

    def fits(self, values: Values) -> bool:
        """Returns whether a setting is new and within the budget.

        Unlike `ruled_out` it asks for the costs of the setting, and it counts a setting that breaks
        the budget as turned away.

        Args:
            values: The setting.
        """
        return self._facts.proposal_filter.judge(values) == 0

    @property
    def asked(self) -> int:
        """How many settings were judged so far while looking for the next trial."""
        return self._facts.proposal_filter.asked

    @property
    def nearest(self) -> str:
        """Limits that the setting nearest to the budget breaks, as text; "" where all fit."""
        return self._facts.proposal_filter.smallest()

    def share_of_trials(self, part: int, least: int, most: int) -> int:
        """Returns a share of the number of trials, for defaults that follow from it.

        Args:
            part: Divisor of the number of trials, which counts as 100 where there is no limit.
            least: The smallest result.
            most: The largest result.

        Returns:
            Integer: `max_trials // part`, but at least `least` and at most `most`.
        """
        return min(max((self.max_trials or 100) // part, least), most)

    def check_population(self, size: int | None) -> None:
        """Refuses a population size above the number of settings in the space.

        Args:
            size: The size that the user has asked for, or None where the strategy chooses it.

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
