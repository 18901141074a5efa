"""What the trials so far promise of new settings: by how much they improve, and that they run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kerasnas.oracles.predictor.gaussian_process import GaussianProcess

# How much the number of trials grows before the parameters of a model are learned again.
_GROWTH = 1.1
# Learning costs the trials squared times the decisions; so much of that, and so many trials.
_WORK, _FEWEST, _MOST = 250_000, 50, 150
# The power of the chance to succeed: with 1, half of the trials beside what fails would fail.
_CAUTION = 2.0
# Subtracted from what must rank last, such as a setting that more likely fails than not. Where a
# search has converged, logarithms of expected improvements differ more than those of any chances.
_LAST = 1e6
# Shares of the trials that may count as near the best, and how far that reaches at least.
_BASIN, _NARROWEST = (0.1, 0.7), 0.3
# The least improvement whose logarithm is taken.
_LEAST = 1e-300
# From so many deviations below the best on, an improvement is computed by its asymptote.
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
        running: Vectors of the trials whose scores are not known yet; the model takes them to be
            what it predicts, so that the next ones are tried elsewhere.
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
    """The logarithm of the improvement that is expected of a setting.

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
    """The improvement that is expected away from the best, over the best that is there.

    A search that has closed in on one optimum so climbs to the next one, as a restart would, but
    with all that it knows.

    Args:
        model: Predicts scores.
        rng: Draws how many of the trials count as near the best.

    Returns:
        Callable from vectors to logarithms of the improvement; what is near the best comes last.
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
    """Learns where trials fail.

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
    """Scores as quantiles of a normal distribution: networks that fail to learn are no outliers."""
    from scipy.stats import norm, rankdata

    order = rankdata(-losses)
    return np.asarray(norm.ppf((order - 0.5) / len(order)))


def half_ranks(losses: np.ndarray) -> np.ndarray:
    """The better half of the scores in proportion, the worse half by rank.

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
    """Places of the best, and of some of the rest, from good to bad."""
    order = np.argsort(-y, kind="stable")
    if len(y) <= count:
        return order
    rest = order[count // 2 :]
    places = np.linspace(0, len(rest) - 1, count - count // 2).round().astype(int)
    return np.concatenate([order[: count // 2], rest[places]])


def _log_improvement(z: np.ndarray) -> np.ndarray:
    """Logarithm of the expected improvement over 0 of a normal variable of mean z, deviation 1."""
    from scipy.stats import norm

    near = np.maximum(z, _FAR)
    exact = np.log(np.maximum(norm.pdf(near) + near * norm.cdf(near), _LEAST))
    far = np.minimum(z, _FAR)
    asymptote = norm.logpdf(far) - 2 * np.log(-far)
    return np.asarray(np.where(z > _FAR, exact, asymptote))
