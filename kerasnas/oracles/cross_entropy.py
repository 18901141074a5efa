"""The cross-entropy method. Rubinstein 1999, doi:10.1023/A:1010091220143."""

import math
from collections.abc import Sequence

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.genome.decision import Decision, Value
from kerasnas.runtime.arguments import check_integer, check_number

# Longer ranges are described by a normal distribution over their quantiles.
_MANY = 24
_LEAST_SPREAD = 0.05
_LEAST_WEIGHT = 1e-4
# Share of the draws from the first distribution, which keep every value possible.
_PRIOR = 0.05
# How many samples are drawn in search of a new one, before the last is mutated.
_SAMPLES = 10


class CrossEntropy(Strategy):
    """Samples from a distribution for every decision, which is refitted to the best of each batch.

    A decision's distribution is fitted to those of the elite in which it is active, so that
    conditional decisions are learned where they apply. Between two batches the distribution moves a
    share `smoothing` of the way, and every value keeps some of its first probability.

    Args:
        batch_size: How many trials are between two fits. Defaults to a tenth of `max_trials`, at
            least 5 and at most 20.
        elite: Share of the batch that the fit is to, above 0 and up to 1.
        smoothing: Weight of the new fit, above 0 and up to 1.

    Raises:
        ValueError: A number out of its range.

    Source:
        Rubinstein 1999; the multinomial form for architectures as in arXiv:1905.07529.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.CrossEntropyOracle("val_accuracy", max_trials=100, seed=0)
    """

    def __init__(self, batch_size: int | None = None, elite: float = 0.2, smoothing: float = 0.7):
        check_integer("batch_size", batch_size, least=2, optional=True)
        for name, share in (("elite", elite), ("smoothing", smoothing)):
            check_number(name, share, above=0, most=1)
        self.batch_size = batch_size
        self.elite = elite
        self.smoothing = smoothing
        # Both follow from the completed trials: how many are fitted to, and each name's fit.
        self._fitted = 0
        self._fits: dict[str, _Fit] = {}

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples every decision from its distribution."""
        self._fit_new_batches(history)
        for _ in range(_SAMPLES):
            values = genome.sample(history.space, rng, self._draw)
            if not history.ruled_out(values):
                return Proposal(values, operator="sample" if self._fits else "random")
        return Proposal(genome.mutate(history.space, values, rng), operator="sample")

    def invalidate_cache(self) -> None:
        """Makes the distributions be fitted to all batches again."""
        self._fitted, self._fits = 0, {}

    def _draw(self, decision: Decision, rng: np.random.Generator) -> Value:
        fit = self._fits.get(decision.hp.name)
        return decision.draw(rng) if fit is None else fit.draw(decision, rng)

    def _fit_new_batches(self, history: History) -> None:
        size = self.batch_size or history.share_of_trials(10, 5, 20)
        while self._fitted + size <= len(history.completed):
            batch = history.completed[self._fitted : self._fitted + size]
            count = max(2, math.ceil(self.elite * size))
            self._fit(sorted(batch, key=history.loss)[:count])
            self._fitted += size

    def _fit(self, elite: Sequence[Trial]) -> None:
        chosen: dict[str, list[Value]] = {}
        for trial in elite:
            for name, value in trial.hyperparameters.values.items():
                chosen.setdefault(name, []).append(value)
        for name, values in chosen.items():
            # A decision that few of the elite have is learned with less weight.
            weight = self.smoothing * len(values) / len(elite)
            self._fits.setdefault(name, _Fit()).move(values, weight)


class _Fit:
    """The elite's values of one decision with their weights; the rest is the first distribution.

    The space may grow, so the meaning of the values is looked up at each draw.
    """

    def __init__(self) -> None:
        self.weights: dict[Value, float] = {}

    def move(self, values: Sequence[Value], share: float) -> None:
        kept = {value: (1 - share) * weight for value, weight in self.weights.items()}
        for value in values:
            kept[value] = kept.get(value, 0.0) + share / len(values)
        # Values of a continuous range hardly ever repeat: without this, there would be ever more.
        self.weights = {value: weight for value, weight in kept.items() if weight > _LEAST_WEIGHT}

    def draw(self, decision: Decision, rng: np.random.Generator) -> Value:
        known = [value for value in self.weights if decision.allows(value)]
        place = rng.random() / (1 - _PRIOR)
        for value in known:
            place -= self.weights[value]
            if place < 0:
                return self._near(decision, known, value, rng)
        return decision.draw(rng)

    def _near(
        self, decision: Decision, known: list[Value], value: Value, rng: np.random.Generator
    ) -> Value:
        """Returns the value or, on a long range, a random one near it, as the elite is spread."""
        if not decision.ordered or (decision.domain is not None and len(decision.domain) <= _MANY):
            return value
        weights = np.array([self.weights[one] for one in known])
        places = np.array([decision.position(one) for one in known])
        mean = np.average(places, weights=weights)
        spread = math.sqrt(np.average((places - mean) ** 2, weights=weights))
        place = decision.position(value) + rng.normal(0.0, max(spread, _LEAST_SPREAD) / 2)
        return decision.at_position(place)
