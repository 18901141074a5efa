"""Greedy coordinate descent over the parts of the network, with restarts at a local optimum."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.proposal import Proposal


class GreedyOracle(Oracle):
    """Improves one part of the network at a time, and starts anew when no change helps.

    An episode begins with random settings. Then the best of the episode is changed in one decision
    of one part (`genome.parts`: a block with all that belongs to it), until that part has no
    untried change; then comes the next part. Any improvement is taken at once. When no part has an
    untried change left, the setting is a local optimum, and the next episode begins.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: `initial_samples` is not positive.

    Source:
        White et al. 2021, arXiv:2005.02960 (local search); the walk over parts follows the greedy
        strategy of AutoKeras, arXiv:1806.10282.

    Example:

    ```python
    oracle = GreedyOracle("val_accuracy", max_trials=50, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
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
        self.initial_samples = initial_samples or min(max((max_trials or 100) // 10, 3), 10)
        # The episode: the numbers of its first completed and its first started trial, and the order
        # in which it walks the parts, the current one first.
        self._first_end = 0
        self._first_start = 0
        self._samples = self.initial_samples
        self._parts: list[str] = []
        # The best of the trials from the first number up to the second: an episode can be long.
        self._best: tuple[int, int, Trial | None] = (0, 0, None)

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples at the start of an episode, else changes one decision of the current part."""
        best = self._best_of_episode()
        if best is None or len(self.trials) - self._first_start < self._samples:
            return Proposal(genome.sample(self.hyperparameters, rng))
        step = self._step(best, rng)
        if step is not None:
            return step
        if self.ongoing_trials:
            # What is running may still be better: look further away until it has ended.
            near = genome.mutate(self.hyperparameters, best.hyperparameters.values, rng)
            far = genome.mutate(self.hyperparameters, near, rng)
            return Proposal(far, (best.trial_id,), "jump")
        self._first_end, self._first_start = len(self.completed), len(self.trials)
        self._samples, self._parts = 1, []
        return Proposal(genome.sample(self.hyperparameters, rng))

    def strategy_state(self) -> dict[str, Any]:
        """Where the walk stands."""
        return {
            "first_end": self._first_end,
            "first_start": self._first_start,
            "samples": self._samples,
            "parts": list(self._parts),
        }

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up the walk."""
        self._first_end, self._first_start = state["first_end"], state["first_start"]
        self._samples, self._parts = state["samples"], list(state["parts"])

    def _best_of_episode(self) -> Trial | None:
        first, seen, best = self._best
        if first != self._first_end or seen > len(self.completed):
            seen, best = self._first_end, None
        for trial in self.completed[seen:]:
            if best is None or self.loss(trial) < self.loss(best):
                best = trial
        self._best = (self._first_end, len(self.completed), best)
        return best

    def _step(self, best: Trial, rng: np.random.Generator) -> Proposal | None:
        """An untried change of one decision, of the current part where that has one."""
        groups = genome.parts(self.hyperparameters)
        values = best.hyperparameters.values
        new = [part for part in groups if part not in self._parts]
        order = [part for part in self._parts if part in groups]
        order += [new[place] for place in rng.permutation(len(new))]
        for place, part in enumerate(order):
            changes = [
                change
                for change in genome.neighbours(self.hyperparameters, values, groups[part], rng)
                if not self.ruled_out(change)
            ]
            if changes:
                self._parts = order[place:] + order[:place]
                chosen = changes[int(rng.integers(len(changes)))]
                return Proposal(chosen, (best.trial_id,), "step")
        return None
