"""What new settings promise: the expected improvement, and the chance that they do not fail."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kerasnas.oracles.predictor.gaussian_process import GaussianProcess

# How much the number of trials grows before the parameters of a model are learned again.
_GROWTH = 1.1
# The time to learn grows with the squared number of trials times the number of decisions: at most
# so much of that product, but at least and at most so many trials.
_WORK, _FEWEST, _MOST = 250_000, 50, 150
# The chance to succeed counts to this power: with 1, half of the trials near failed ones fail.
_CAUTION = 2.0
# Subtracted from settings that must rank last, such as those that more likely fail than not. It is
# large because logarithms of expected improvements differ by much where a search has converged.
_LAST = 1e6
# Least and largest share of the trials that count as near the best, and the least radius of that.
_BASIN, _NARROWEST = (0.1, 0.7), 0.3
# The least improvement whose logarithm is taken.
_LEAST = 1e-300
# Further than so many deviations below the best, improvements are computed by their asymptote.
_FAR = -5.0

# By name of the model: how many trials and columns its parameters were learned from, and these.
Fits = dict[str, tuple[int, int, list[float]]]
Judge = Callable[[np.ndarray], np.ndarray]


class Scores(NamedTuple):
    """What was learned of the scores.

    Attributes:
        model: Predicts them.
        best: The best of its predictions for the completed trials.
        agreement: How well it predicts the score of each trial from the others, a correlation.
    """

    model: GaussianProcess
    best: float
    agreement: float


def scores(
    x: np.ndarray, y: np.ndarray, running: np.ndarray, starts: Sequence[int], fits: Fits
) -> Scores:
    """Learns scores from vectors.

    Args:
        x: Vectors of the completed trials, (trials, columns).
        y: Their scores, larger is better, about of deviation 1.
        running: Vectors of running trials. The model takes its own predictions for their scores, so
            that the next trials are made elsewhere.
        starts: Where the columns of each decision begin.
        fits: Parameters learned before; changed in place.

    Returns:
        The model with what it is worth.

    Source:
        Running trials: Ginsbourger et al. 2010, doi:10.1007/978-3-642-10701-6_6, the "kriging
        believer".
    """
    model = _model("score", x, y, starts, fits)
    best, agreement = float(model.predict(x).mean.max()), model.agreement()
    if len(running):
        believed = model.predict(running).mean
        model.condition(np.concatenate([x, running]), np.concatenate([y, believed]))
    return Scores(model, best, agreement)


def improvement(model: GaussianProcess, best: float) -> Judge:
    """Returns a judge of settings by the logarithm of the improvement that is expected of them.

    Args:
        model: Predicts scores.
        best: The score to improve.

    Returns:
        Callable from vectors to the logarithms.

    Source:
        Jones et al. 1998, doi:10.1023/A:1008306431147; its logarithm: Ament et al. 2023,
        arXiv:2310.20708.
    """

    def judge(queries: np.ndarray) -> np.ndarray:
        mean, deviation = model.predict(queries)
        return np.asarray(_log_improvement((mean - best) / deviation) + np.log(deviation))

    return judge


def elsewhere(model: GaussianProcess, rng: np.random.Generator) -> Judge:
    """Returns a judge by the expected improvement over the best trial outside of an optimum.

    With it, a search that has found one optimum looks for the next one, as after a restart, but
    with a model of all trials.

    Args:
        model: Predicts scores.
        rng: Draws how many of the trials count as near the best.

    Returns:
        Callable from vectors to logarithms of the improvement; settings near the best come last.
    """
    x, _ = model.observed
    mean = model.predict(x).mean
    best = x[int(np.argmax(mean))]

    def distance(queries: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(queries - best, axis=1))

    gaps = distance(x)
    radius = max(float(np.quantile(gaps, rng.uniform(*_BASIN))), _NARROWEST)
    if not (gaps > radius).any():
        return improvement(model, float(mean.max()))
    judge = improvement(model, float(mean[gaps > radius].max()))
    return lambda queries: judge(queries) - _LAST * (distance(queries) <= radius)


def success(completed: np.ndarray, failed: np.ndarray, starts: Sequence[int], fits: Fits) -> Judge:
    """Learns in which part of the space trials fail.

    Args:
        completed: Vectors of completed trials.
        failed: Vectors of failed ones, at least one.
        starts: Where the columns of each decision begin.
        fits: Parameters learned before; changed in place.

    Returns:
        Callable from vectors to what their chance to succeed adds to the logarithm of an
        improvement, or to a score.
    """
    from scipy.special import log_ndtr

    x = np.concatenate([completed.reshape(-1, failed.shape[1]), failed])
    y = np.repeat([1.0, -1.0], [len(completed), len(failed)])
    model = _model("success", x, y, starts, fits)

    def judge(queries: np.ndarray) -> np.ndarray:
        mean, deviation = model.predict(queries)
        odds = mean / np.hypot(deviation, model.noise)
        return np.asarray(_CAUTION * np.asarray(log_ndtr(odds)) - _LAST * (odds < 0))

    return judge


def ranks(losses: np.ndarray) -> np.ndarray:
    """Returns scores by rank, as quantiles of a normal distribution, which has no outliers."""
    from scipy.stats import norm, rankdata

    order = rankdata(-losses)
    return np.asarray(norm.ppf((order - 0.5) / len(order)))


def half_ranks(losses: np.ndarray) -> np.ndarray:
    """Returns scores: in proportion for the better half of the losses, by rank for the rest.

    Source:
        Song et al. 2024, arXiv:2408.11527, the "half-rank" of Vizier's Gaussian process bandit.
    """
    median = float(np.median(losses))
    better = losses <= median
    spread = float(np.sqrt(np.mean((losses[better] - median) ** 2)))
    if not 0 < spread < np.inf:
        return ranks(losses)
    return np.where(better, (median - losses) / spread, ranks(losses))


def _model(
    name: str, x: np.ndarray, y: np.ndarray, starts: Sequence[int], fits: Fits
) -> GaussianProcess:
    count, columns = x.shape
    model = GaussianProcess(starts)
    trials, known, parameters = fits.get(name, (0, 0, []))
    if known != columns or count >= trials * _GROWTH or count < trials:
        most = int(np.clip(np.sqrt(_WORK / len(starts)), _FEWEST, _MOST))
        kept = _some(y, most)
        begin = parameters if known == columns else None
        fits[name] = count, columns, model.learn(x[kept], y[kept], begin)
    else:
        model.parameters = np.array(parameters)
    return model.condition(x, y)


def _some(y: np.ndarray, count: int) -> np.ndarray:
    """Returns the places of the best trials, and of some of the rest, from good to bad."""
    order = np.argsort(-y, kind="stable")
    if len(y) <= count:
        return order
    rest = order[count // 2 :]
    places = np.linspace(0, len(rest) - 1, count - count // 2).round().astype(int)
    return np.concatenate([order[: count // 2], rest[places]])


def _log_improvement(z: np.ndarray) -> np.ndarray:
    """Returns the log of the expected improvement over 0 of a normal variable of mean z."""
    from scipy.stats import norm

    near = np.maximum(z, _FAR)
    exact = np.log(np.maximum(norm.pdf(near) + near * norm.cdf(near), _LEAST))
    far = np.minimum(z, _FAR)
    asymptote = norm.logpdf(far) - 2 * np.log(-far)
    return np.asarray(np.where(z > _FAR, exact, asymptote))
