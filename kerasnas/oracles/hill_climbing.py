"""Hill climbing over one-decision changes: what greedy and local search share."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.genome.decision import Value
from kerasnas.runtime.arguments import check_integer

Change = tuple[str, Value]


class HillClimbing(Strategy):
    """Walks from a setting to a better one that differs in one decision, until there is none.

    An episode begins with random settings. Then the one-decision changes of its best setting are
    tried one after the other, and the walk goes on from the first that is better. When no change is
    left, the setting is a local optimum, and the next episode begins. A subclass says in which
    order changes are tried.

    Args:
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.

    Raises:
        ValueError: `initial_samples` is not positive.
    """

    def __init__(self, initial_samples: int | None = None):
        check_integer("initial_samples", initial_samples, least=1, optional=True)
        self.initial_samples = None if initial_samples is None else int(initial_samples)
        # The episode: the numbers of its first completed and its first started trial.
        self._first_end = 0
        self._first_start = 0
        # How many random settings begin this episode; None where it is the first one.
        self._samples: int | None = None
        # The walk: the trial whose changes are tried, the seed of their order, and how many of them
        # were tried.
        self._at: str | None = None
        self._order = 0
        self._step = 0
        # Both follow from the trials and the walk, and are kept because computing them takes long.
        self._best: tuple[int, int, Trial | None] = (0, 0, None)
        self._changes: tuple[tuple[str | None, int, int], list[Change]] = ((None, 0, 0), [])

    def begin_walk(self, history: History, rng: np.random.Generator) -> None:
        """Prepares to try the changes of another setting; does nothing by default.

        Args:
            history: The view of the search.
            rng: The oracle's generator.
        """

    def order_of_changes(
        self, history: History, place: Trial, rng: np.random.Generator
    ) -> list[Change]:
        """Returns all one-decision changes of a trial's setting, in the order in which to try them.

        Args:
            history: The view of the search.
            place: The trial.
            rng: Generator of the order; with the same seed in every call for one trial.

        Returns:
            List of pairs of a name and its new value.
        """
        raise NotImplementedError(f"{type(self).__name__} must define order_of_changes(...).")

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples at the start of an episode, else changes one decision of its best setting."""
        best = self._best_of_episode(history)
        samples = self._samples or self.initial_samples or history.share_of_trials(10, 3, 10)
        if best is None or len(history.trials) - self._first_start < samples:
            return Proposal(genome.sample(history.space, rng))
        step = self._next_step(history, best, rng)
        if step is not None:
            return step
        if history.running:
            # A running trial may still be better, so the episode is not over yet.
            far = genome.mutants(history.space, best.hyperparameters.values, rng, [2])[0]
            return Proposal(far, (best.trial_id,), "jump")
        self._first_end, self._first_start = len(history.completed), len(history.trials)
        self._samples = 1
        return Proposal(genome.sample(history.space, rng))

    def invalidate_cache(self) -> None:
        """Forgets which trial is the best of the episode."""
        self._best = (0, 0, None)

    def state(self) -> dict[str, Any]:
        """Returns the position of the walk."""
        return {
            "first_end": self._first_end,
            "first_start": self._first_start,
            "samples": self._samples,
            "walk": [self._at, self._order, self._step],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the position of the walk."""
        self._first_end, self._first_start = state["first_end"], state["first_start"]
        self._samples = state["samples"]
        self._at, self._order, self._step = state["walk"]

    def _best_of_episode(self, history: History) -> Trial | None:
        first, seen, best = self._best
        if first != self._first_end or seen > len(history.completed):
            seen, best = self._first_end, None
        for trial in history.completed[seen:]:
            if best is None or history.loss(trial) < history.loss(best):
                best = trial
        self._best = (self._first_end, len(history.completed), best)
        return best

    def _next_step(
        self, history: History, best: Trial, rng: np.random.Generator
    ) -> Proposal | None:
        if self._at != best.trial_id:
            self._at, self._step = best.trial_id, 0
            self._order = int(rng.integers(2**32))
            self.begin_walk(history, rng)
        walk = (self._at, self._order, len(history.space.space))
        if self._changes[0] != walk:
            order = np.random.default_rng(self._order)
            self._changes = walk, self.order_of_changes(history, best, order)
        values = best.hyperparameters.values
        while self._step < len(self._changes[1]):
            name, value = self._changes[1][self._step]
            self._step += 1
            setting = genome.set_one(history.space, values, name, value, rng)
            if not history.ruled_out(setting):
                return Proposal(setting, (best.trial_id,), "step")
        return None


def changes_of(history: History, place: Trial) -> list[Change]:
    """Returns all one-decision changes of a trial's setting, in the order of the space."""
    values = place.hyperparameters.values
    return [
        (decision.hp.name, value)
        for decision in genome.decisions_of(history.space, values)
        for value in decision.others(values[decision.hp.name])
    ]
