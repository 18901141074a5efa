"""Descent over one-decision changes: what greedy and local search share."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.decision import Value
from kerasnas.oracles.proposal import Proposal

Change = tuple[str, Value]


class Descent(Oracle):
    """Walks from a setting to a better one that differs in one decision, until there is none.

    An episode begins with random settings. Then the changes of its best setting are tried one after
    the other; the first that improves is the next place. When none is left, the place is a local
    optimum, and the next episode begins. A strategy says in which order changes are tried.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: `initial_samples` is not positive.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("initial_samples", initial_samples, at_least=1, optional=True)
        self.initial_samples = int(initial_samples or self.share_of_trials(10, 3, 10))
        # The episode: the numbers of its first completed and its first started trial.
        self._first_end = 0
        self._first_start = 0
        self._samples = self.initial_samples
        # The walk around a place: its trial, what its order was drawn from, how far it is.
        self._at: str | None = None
        self._order = 0
        self._step = 0
        # Both follow from the trials and the walk; an episode can be long, and so can a walk.
        self._best: tuple[int, int, Trial | None] = (0, 0, None)
        self._changes: tuple[tuple[str | None, int, int], list[Change]] = ((None, 0, 0), [])

    def begin_walk(self, rng: np.random.Generator) -> None:
        """Called before the changes of another setting are tried, for strategies that keep more."""

    def order_of_changes(self, place: Trial, rng: np.random.Generator) -> list[Change]:
        """All one-decision changes of a trial's setting, in the order in which to try them.

        Args:
            place: The trial.
            rng: Gives the same order whenever it is asked for.

        Returns:
            Names and new values.
        """
        raise NotImplementedError(f"{type(self).__name__} must define order_of_changes(...).")

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples at the start of an episode, else changes one decision of its best setting."""
        best = self._best_of_episode()
        if best is None or len(self.trials) - self._first_start < self._samples:
            return Proposal(genome.sample(self.hyperparameters, rng))
        step = self._next_step(best, rng)
        if step is not None:
            return step
        if self.ongoing_trials:
            # What is running may still be better: look further away until it has ended.
            near = genome.mutate(self.hyperparameters, best.hyperparameters.values, rng)
            far = genome.mutate(self.hyperparameters, near, rng)
            return Proposal(far, (best.trial_id,), "jump")
        self._first_end, self._first_start = len(self.completed), len(self.trials)
        self._samples = 1
        return Proposal(genome.sample(self.hyperparameters, rng))

    def forget(self) -> None:
        """Looks for the best of the episode anew."""
        self._best = (0, 0, None)

    def strategy_state(self) -> dict[str, Any]:
        """Where the walk stands."""
        return {
            "first_end": self._first_end,
            "first_start": self._first_start,
            "samples": self._samples,
            "walk": [self._at, self._order, self._step],
        }

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up the walk."""
        self._first_end, self._first_start = state["first_end"], state["first_start"]
        self._samples = state["samples"]
        self._at, self._order, self._step = state["walk"]

    def _best_of_episode(self) -> Trial | None:
        first, seen, best = self._best
        if first != self._first_end or seen > len(self.completed):
            seen, best = self._first_end, None
        for trial in self.completed[seen:]:
            if best is None or self.loss(trial) < self.loss(best):
                best = trial
        self._best = (self._first_end, len(self.completed), best)
        return best

    def _next_step(self, best: Trial, rng: np.random.Generator) -> Proposal | None:
        if self._at != best.trial_id:
            self._at, self._step = best.trial_id, 0
            self._order = int(rng.integers(2**32))
            self.begin_walk(rng)
        walk = (self._at, self._order, len(self.hyperparameters.space))
        if self._changes[0] != walk:
            order = np.random.default_rng(self._order)
            self._changes = walk, self.order_of_changes(best, order)
        values = best.hyperparameters.values
        while self._step < len(self._changes[1]):
            name, value = self._changes[1][self._step]
            self._step += 1
            setting = genome.set_one(self.hyperparameters, values, name, value, rng)
            if not self.ruled_out(setting):
                return Proposal(setting, (best.trial_id,), "step")
        return None


def changes_of(oracle: Oracle, place: Trial) -> list[Change]:
    """All one-decision changes of a trial's setting, in the order of the space."""
    values = place.hyperparameters.values
    return [
        (decision.hp.name, value)
        for decision in genome.decisions_of(oracle.hyperparameters, values)
        for value in decision.others(values[decision.hp.name])
    ]
