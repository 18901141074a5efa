"""Predictor-guided search, after BANANAS. White et al. 2021, arXiv:1910.11858."""

from typing import Any

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.predictor.candidates import anywhere, near_best
from kerasnas.oracles.predictor.model import Model
from kerasnas.runtime.arguments import check_integer, check_number

# The share of the proposals that change the best trial in a single decision. They make progress
# also where the model of the whole space sees no gradient.
_LOCAL = 0.5


class Predictor(Strategy):
    """Learns to predict scores from settings, and tries what it believes may be best.

    A Gaussian process with a length scale for every decision predicts a setting's score, taken by
    rank where it is worse than the median. Half of the proposals change the best trial in one
    decision, the one from which most improvement is expected; where the process cannot predict
    trials from each other, one of the best is changed a little at random. The other half comes from
    the whole space: usually the candidate with the largest expected improvement. The longer nothing
    better was found, the more often the best trial's surroundings are left out, and the improvement
    is over the best trial elsewhere. Candidates are the best trials with one to three decisions
    changed, some random settings, and settings that climbs from the most promising of these reach.
    Where trials have failed, a second process predicts the chance that a candidate fails, and
    lowers its rank. A share of the proposals is random, whatever the models predict.

    It learns from few trials, and its proposals cost some ten milliseconds.

    Args:
        initial_samples: How many random settings come first. Defaults to a fifth of `max_trials`,
            at least 3 and at most 10.
        exploration: Share of random proposals after that, from 0 to 1.

    Raises:
        ValueError: A number out of its range.

    Source:
        White et al. 2021, arXiv:1910.11858: candidates by mutation of the best. A Gaussian process
        in the place of its neural networks: at a hundred trials it predicts better, and at once.
        Changes of one decision: Hutter et al. 2011, "Sequential Model-Based Optimization for
        General Algorithm Configuration", section 4.3, who climb by them.
        Failures: Gardner et al. 2014, "Bayesian Optimization with Inequality Constraints".

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.PredictorOracle("val_accuracy", max_trials=100, seed=0)
    """

    def __init__(self, initial_samples: int | None = None, exploration: float = 0.1):
        check_integer("initial_samples", initial_samples, least=2, optional=True)
        check_number("exploration", exploration, least=0, most=1)
        self.initial_samples, self.exploration = initial_samples, exploration
        self._model = Model()
        # For how many trials candidates were ranked, and those that are left.
        self._ranked: tuple[int, list[Proposal]] = (-1, [])

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Proposes the best candidate that was not turned away."""
        trials, left = self._ranked
        if trials == len(history.trials) and left:
            return left.pop()
        if len(history.ended) < self.samples(history) or rng.random() < self.exploration:
            return Proposal(genome.sample(history.space, rng))
        # Threads cost more than they save on matrices of this size, and round differently.
        import threadpoolctl

        with threadpoolctl.threadpool_limits(1):
            learned = self._model.learn(history)
            left = near_best(history, learned, rng) if rng.random() < _LOCAL else []
            left = left or anywhere(history, learned, rng)
        self._ranked = len(history.trials), left
        return left.pop() if left else Proposal(genome.sample(history.space, rng))

    def samples(self, history: History) -> int:
        """Returns how many random settings come first.

        Args:
            history: The view of the search.
        """
        return self.initial_samples or history.share_of_trials(5, 3, 10)

    def state(self) -> dict[str, Any]:
        """Returns the parameters of the models."""
        return {"models": {name: list(fit) for name, fit in self._model.fits.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the parameters of the models, and forgets candidates for an earlier trial."""
        # Version 0.1.0 had other models.
        self._model.fits = {
            name: (trials, columns, list(parameters))
            for name, (trials, columns, parameters) in state.get("models", {}).items()
        }
        self._ranked = (-1, [])
