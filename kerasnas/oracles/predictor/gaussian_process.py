"""A Gaussian process that learns how much each decision matters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Priors of the logarithms, as mean and deviation. The length scale of one decision among many grows
# with the square root of their number, so that a model of many decisions is not all noise.
_LENGTH = 0.0, 1.2
_JOINT, _ADDITIVE = (-0.5, 1.0), (-0.5, 1.0)
_NOISE = -5.0, 2.5
# How far a parameter may be from its prior, in deviations.
_BOUND = 4.0
_STEPS = 40
# Where the search for the parameters may begin: the length scales of the prior times exp of these.
_BEGINS = (0.0, -0.8, -1.6, 0.8)
# Added to the diagonal, so that the matrix of nearly equal settings is not singular.
_JITTER = 1e-7
_ROOT = np.sqrt(5.0)


class Prediction(NamedTuple):
    """Mean and deviation of each query, without the noise of a training."""

    mean: np.ndarray
    deviation: np.ndarray


class GaussianProcess:
    """A Gaussian process with a length scale for each decision.

    Its kernel is the sum of two: Matern's (nu 5/2) of all decisions jointly, and a mean of squared
    exponentials, one for each decision alone, which learns effects that add up from few trials.
    Length scales, the size of both, and the noise are the most probable ones under wide priors.

    Args:
        starts: Where the columns of each decision begin.

    Source:
        Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", section 5.4;
        additive kernels: Duvenaud et al. 2011, arXiv:1112.4394; length scales that grow with the
        number of dimensions: Hvarfner et al. 2024, arXiv:2402.02229.

    Example:

    >>> import numpy as np
    >>> from kerasnas.oracles.predictor.gaussian_process import GaussianProcess
    >>> vectors = np.random.default_rng(0).random((9, 4))  # Two decisions of two columns each.
    >>> process = GaussianProcess([0, 2])
    >>> parameters = process.learn(vectors, vectors.sum(axis=1))
    >>> process.condition(vectors, vectors.sum(axis=1)).predict(vectors[:3]).mean.shape
    (3,)
    """

    def __init__(self, starts: Sequence[int]):
        self.starts = list(starts)
        # By how much the length scales of the joint kernel grow with the number of decisions (log).
        self._wide = 0.5 * np.log(max(len(self.starts), 1))
        priors = np.array([*[_LENGTH] * len(self.starts), _JOINT, _ADDITIVE, _NOISE])
        self._prior, self._spread = priors[:, 0], priors[:, 1]
        self.parameters = self._prior.copy()

    @property
    def noise(self) -> float:
        """Deviation of one observation."""
        return float(np.exp(0.5 * self.parameters[-1]))

    def learn(
        self, x: np.ndarray, y: np.ndarray, begin: Sequence[float] | None = None
    ) -> list[float]:
        """Fits length scales, signal and noise.

        Args:
            x: Vectors, (trials, columns).
            y: Scores, about of mean 0 and deviation 1.
            begin: Parameters that were learned from less, to begin with if they fit better.

        Returns:
            The parameters, to be kept.
        """
        from scipy.optimize import minimize

        # Squared distances in each decision: (decisions, trials * trials).
        gaps = np.array([_squares(part, part).ravel() for part in self._parts(x)])

        def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
            return self._loss(theta, gaps, y - y.mean())

        # From length scales that are too wide or too narrow, the gradient can lead to noise alone.
        lengths = np.array([*[1.0] * len(self.starts), 0.0, 0.0, 0.0])
        begins = [self._prior + shift * lengths for shift in _BEGINS]
        if begin is not None:
            begins.append(np.array(begin))
        found = minimize(
            loss,
            min(begins, key=lambda theta: loss(theta)[0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[
                (mean - _BOUND * spread, mean + _BOUND * spread)
                for mean, spread in zip(self._prior, self._spread, strict=True)
            ],
            options={"maxiter": _STEPS},
        )
        self.parameters = found.x
        return [float(value) for value in found.x]

    def condition(self, x: np.ndarray, y: np.ndarray) -> "GaussianProcess":
        """Takes in observations, without changing the parameters.

        Args:
            x: Vectors, (trials, columns).
            y: Scores, about of mean 0 and deviation 1.

        Returns:
            The process itself.
        """
        # The vectors and the scores that it has taken in.
        self.observed = x, y
        self._x, self._mean = self._scaled(x), float(y.mean())
        kernel = self._kernel(self._x)
        kernel[np.diag_indices_from(kernel)] += np.exp(self.parameters[-1]) + _JITTER
        self._factor = np.linalg.cholesky(kernel)
        self._weights = _solve(self._factor, y - self._mean)
        return self

    def predict(self, queries: np.ndarray) -> Prediction:
        """Predicts scores.

        Args:
            queries: Vectors, (queries, columns).
        """
        from scipy.linalg import solve_triangular

        cross = self._kernel(self._scaled(queries))
        mean = self._mean + self._weights @ cross
        explained = solve_triangular(self._factor, cross, lower=True, check_finite=False)
        size = np.exp(self.parameters[-3:-1]).sum()
        return Prediction(mean, np.sqrt(np.maximum(size - (explained**2).sum(axis=0), 1e-12)))

    def agreement(self) -> float:
        """Returns how well each score is predicted from the others, as a correlation.

        It is 0 where all scores, or all predictions, are equal.

        Source:
            Rasmussen and Williams 2006, section 5.4.2: leave-one-out without other models.
        """
        y = self.observed[1]
        inverse = _solve(self._factor, np.eye(len(y)))
        predicted = y - self._weights / np.diag(inverse)
        if not (np.ptp(y) > 0 and np.ptp(predicted) > 0):
            return 0.0
        return float(np.corrcoef(predicted, y)[0, 1])

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        widths = np.diff([*self.starts, x.shape[1]])
        return np.asarray(x * np.repeat(np.exp(-self.parameters[:-3]), widths))

    def _parts(self, x: np.ndarray) -> list[np.ndarray]:
        ends = [*self.starts[1:], x.shape[1]]
        return [x[:, a:b] for a, b in zip(self.starts, ends, strict=True)]

    def _kernel(self, queries: np.ndarray) -> np.ndarray:
        joint, additive = np.exp(self.parameters[-3:-1])
        root = _ROOT * np.exp(-self._wide) * np.sqrt(_squares(self._x, queries))
        kernel = joint * (1 + root + root**2 / 3) * np.exp(-root)
        for one, other in zip(self._parts(self._x), self._parts(queries), strict=True):
            kernel += additive / len(self.starts) * np.exp(-0.5 * _squares(one, other))
        return np.asarray(kernel)

    def _loss(self, theta: np.ndarray, gaps: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the logarithm of the posterior, and its gradient."""
        from scipy.linalg import lapack

        count = len(y)
        weights = np.exp(-2 * theta[:-3])
        joint, additive, noise = np.exp(theta[-3:])
        wide = np.exp(-2 * self._wide)
        root = _ROOT * np.sqrt(wide * (weights @ gaps))
        falling = joint * np.exp(-root)
        first = (1 + root + root**2 / 3) * falling
        alone = additive / len(gaps) * np.exp(-0.5 * weights[:, None] * gaps)
        second = alone.sum(axis=0)
        whole = (first + second).reshape(count, count)
        whole[np.diag_indices(count)] += noise + _JITTER
        factor, failed = lapack.dpotrf(whole, lower=1, clean=1)
        if failed:
            return 1e10, np.zeros_like(theta)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        solved = inverse @ y
        off = (theta - self._prior) / self._spread
        loss = 0.5 * y @ solved + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        # By how much the loss changes with each covariance.
        inner = 0.5 * (inverse - np.outer(solved, solved)).ravel()
        by_joint = gaps @ (inner * falling * (1 + root)) * (5 / 3) * wide
        by_length = weights * (by_joint + np.einsum("dn,dn,n->d", alone, gaps, inner))
        sizes = [inner @ first, inner @ second, noise * inner[:: count + 1].sum()]
        return float(loss), np.array([*by_length, *sizes]) + off / self._spread


def _squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(first, second, "sqeuclidean"))


def _solve(factor: np.ndarray, y: np.ndarray) -> np.ndarray:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((factor, True), y, check_finite=False))
