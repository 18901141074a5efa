"""Predictor-guided search, after BANANAS. White et al. 2021, arXiv:1910.11858."""

import warnings
from typing import Any

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.encoding import Encoding
from kerasnas.oracles.proposal import Proposal

# Candidates for one proposal: changes of the best, and random settings.
_CHANGED, _RANDOM = 250, 50
_PARENTS = 10
_MOST_CHANGES = 3
# Predictions are drawn with their own spread for so many trials; then with a wider one the longer
# nothing better was found, up to a limit: the best may be in a part that looked worse.
_SURE, _PATIENCE, _BOLDEST = 50, 20, 4.0
# Part of every decision's weight that does not depend on how much of the scores it explains.
_EVEN = 0.3
# How much the number of trials grows before the models' own parameters are fitted again.
_GROWTH = 1.25
# A Gaussian process costs the cube of what it is fitted to: the best and the latest are enough.
_BEST, _LATEST = 250, 150


class PredictorOracle(Oracle):
    """Learns to predict scores from settings, and tries what it believes may be best.

    An ensemble of Gaussian processes, one smooth and one rough, predicts the rank of a setting's
    score. For each proposal one of them is drawn, and a score for each candidate is drawn from its
    prediction: the best draw is tried (Thompson sampling), so that a setting is tried as often as
    it may be the best. Candidates are the best trials with one to three decisions changed, and some
    random settings. A share of the proposals is random, whatever the models believe.

    It learns from few trials, and its proposals cost some ten milliseconds.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there; the default of the next one follows from it.
        initial_samples: How many random settings come first. Defaults to a fifth of `max_trials`,
            at least 3 and at most 10.
        exploration: Share of random proposals after that, from 0 to 1.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range.

    Source:
        White et al. 2021, arXiv:1910.11858: candidates by mutation of the best, independent
        Thompson sampling (section 4 and figure 4). Gaussian processes of scikit-learn in the place
        of its neural networks: at a hundred trials they predict better, and at once.

    Example:

    ```python
    oracle = PredictorOracle("val_accuracy", max_trials=100, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        exploration: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("initial_samples", initial_samples, at_least=2, optional=True)
        check_share("exploration", exploration)
        self.initial_samples = initial_samples or self.share_of_trials(5, 3, 10)
        self.exploration = exploration
        # Vectors of the completed trials in one encoding; both follow from the trials.
        self._encoding: tuple[int, Encoding] | None = None
        self._vectors: list[np.ndarray] = []
        # The parameters of each kernel, and how many trials and columns they were fitted to.
        self._fits: dict[str, tuple[int, int, list[float]]] = {}
        # What is left of the ranked candidates for the trial that is being looked for.
        self._ranked: tuple[int, list[Proposal]] = (-1, [])

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Gives the candidate with the best drawn score that was not turned away."""
        trials, left = self._ranked
        if trials == len(self.trials) and left:
            return left.pop()
        if len(self.completed) < self.initial_samples or rng.random() < self.exploration:
            return Proposal(genome.sample(self.hyperparameters, rng))
        left = self._rank(self._candidates(rng), rng)
        self._ranked = len(self.trials), left
        return left.pop() if left else Proposal(genome.sample(self.hyperparameters, rng))

    def strategy_state(self) -> dict[str, Any]:
        """The parameters of the models."""
        return {"fits": {name: list(fit) for name, fit in self._fits.items()}}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up the models; forgets the candidates for a trial that did not come about."""
        self._fits = {
            name: (trials, columns, list(theta))
            for name, (trials, columns, theta) in state["fits"].items()
        }
        self._ranked = (-1, [])

    def _candidates(self, rng: np.random.Generator) -> list[Proposal]:
        """New settings, each once."""
        space = self.hyperparameters
        parents = [
            (trial.trial_id, genome.settle(space, trial.hyperparameters.values))
            for trial in self.get_best_trials(_PARENTS)
        ]
        found: dict[str, Proposal] = {}
        for _ in range(_CHANGED):
            name, values = parents[int(rng.integers(len(parents)))]
            for _ in range(1 + int(rng.integers(_MOST_CHANGES))):
                values = genome.mutate(space, values, rng)
            found.setdefault(repr(values), Proposal(values, (name,), "predicted"))
        for _ in range(_RANDOM):
            values = genome.sample(space, rng)
            found.setdefault(repr(values), Proposal(values))
        return [one for one in found.values() if not self.ruled_out(one.values)]

    def _rank(self, candidates: list[Proposal], rng: np.random.Generator) -> list[Proposal]:
        """Sorts candidates by a score drawn from the prediction for each, the best last."""
        if not candidates:
            return []
        # Threads cost more than they save on matrices of this size, and round differently.
        import threadpoolctl

        with threadpoolctl.threadpool_limits(1):
            encoding = self._encode_completed()
            x, y = self._training_set()
            scale = _scale(x, y, encoding.starts)
            model = self._fit(x * scale, y, _KERNELS[int(rng.integers(len(_KERNELS)))])
            queries = encoding.encode([one.values for one in candidates]) * scale
            mean, deviation = model.predict(queries, return_std=True)
        drawn = mean + self._boldness() * deviation * rng.normal(size=len(mean))
        return [candidates[place] for place in np.argsort(drawn, kind="stable")]

    def _boldness(self) -> float:
        count = len(self.completed)
        if count < _SURE:
            return 1.0
        best = min(range(count), key=lambda place: self.loss(self.completed[place]))
        return min(1.0 + (count - 1 - best) / _PATIENCE, _BOLDEST)

    def _encode_completed(self) -> Encoding:
        size = len(self.hyperparameters.space)
        if self._encoding is None or self._encoding[0] != size:
            self._encoding, self._vectors = (size, Encoding(self.hyperparameters)), []
        if len(self._vectors) > len(self.completed):
            self._vectors = []
        new = self.completed[len(self._vectors) :]
        settings = [
            genome.settle(self.hyperparameters, trial.hyperparameters.values) for trial in new
        ]
        self._vectors += list(self._encoding[1].encode(settings))
        return self._encoding[1]

    def _fit(self, x: np.ndarray, y: np.ndarray, name: str) -> Any:
        """A Gaussian process of the trials so far."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor

        count, columns = len(self.completed), x.shape[1]
        trials, known, theta = self._fits.get(name, (0, 0, []))
        if known != columns or count >= trials * _GROWTH:
            with warnings.catch_warnings():
                # That a parameter is at a bound, where the bounds are to keep it.
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = GaussianProcessRegressor(_kernel(name)).fit(x, y).kernel_
            theta = [float(value) for value in fitted.theta]
            self._fits[name] = count, columns, theta
        kernel = _kernel(name).clone_with_theta(np.array(theta))
        return GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)

    def _training_set(self) -> tuple[np.ndarray, np.ndarray]:
        losses = np.array([self.loss(trial) for trial in self.completed])
        scores, count = _normal_scores(losses), len(losses)
        kept = np.arange(count)
        if count > _BEST + _LATEST:
            best = np.argsort(losses[: count - _LATEST], kind="stable")[:_BEST]
            kept = np.concatenate([np.sort(best), kept[count - _LATEST :]])
        return np.array([self._vectors[place] for place in kept]), scores[kept]


_KERNELS = ("smooth", "rough")


def _kernel(name: str) -> Any:
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

    shape = RBF(2.0, (0.5, 10.0)) if name == "smooth" else Matern(2.0, (0.5, 20.0), nu=2.5)
    return ConstantKernel(1.0, (0.1, 10.0)) * shape + WhiteKernel(0.1, (1e-3, 1.0))


def _scale(x: np.ndarray, y: np.ndarray, starts: list[int]) -> np.ndarray:
    """How far the columns of each decision stretch: further, the more of the scores it explains.

    That is what a length scale for every decision would say, at no cost, and from fewer trials.
    """
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) * (y**2).sum())
    explained = (centred.T @ y / np.where(spread > 0, spread, np.inf)) ** 2
    # A column of no account explains one part in as many as there are trials.
    by_decision = np.add.reduceat(np.where(spread > 0, explained - 1 / len(y), 0.0), starts)
    by_decision = np.maximum(by_decision, 0.0)
    weight = _EVEN + by_decision / max(float(by_decision.mean()), 1e-9)
    weight /= weight.mean()
    widths = np.diff([*starts, x.shape[1]])
    return np.repeat(np.sqrt(weight), widths)


def _normal_scores(losses: np.ndarray) -> np.ndarray:
    """Ranks as quantiles of a normal distribution: networks that fail to learn are no outliers."""
    from scipy.stats import norm, rankdata

    ranks = rankdata(-losses)
    return np.asarray(norm.ppf((ranks - 0.5) / len(ranks)))
