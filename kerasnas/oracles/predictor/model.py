"""A model, learned from the trials of a search, of settings that were not tried."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.genome import Values
from kerasnas.oracles.genome.encoding import Encoding
from kerasnas.oracles.predictor import surrogate

# How many trials are learned from: the time of a Gaussian process grows with their cube.
_BEST, _LATEST = 150, 100
# The fewest trials from which scores are predicted.
_LEAST = 2


class Learned(NamedTuple):
    """What was learned about scores and failures.

    Attributes:
        encoding: Encodes settings as vectors.
        scores: The model of scores, or None while too few trials have completed.
        success: Callable from vectors to the logarithm of the chance that a trial does not fail;
            None where no trial has failed.
    """

    encoding: Encoding
    scores: surrogate.Scores | None
    success: surrogate.Judge | None

    def judge(self, promise: surrogate.Judge | None) -> Callable[[list[Values]], np.ndarray]:
        """Returns a judge of settings that adds the chance to fail.

        Args:
            promise: Callable from vectors to what they promise, or None for nothing.

        Returns:
            Callable from a list of settings to an array of their worths.
        """
        judges = [one for one in (promise, self.success) if one is not None]

        def judge(settings: list[Values]) -> np.ndarray:
            queries = self.encoding.encode(settings)
            return np.asarray(
                np.sum([np.zeros(len(queries)), *(one(queries) for one in judges)], axis=0)
            )

        return judge


class Model:
    """Two Gaussian processes over settings: one of scores, one of failures.

    Attributes:
        fits: The parameters of both, which are learned seldom, and saved.
    """

    def __init__(self) -> None:
        self.fits: surrogate.Fits = {}
        # The encoding with the size of its space, and the vectors of the trials in it.
        self._encoding: tuple[int, Encoding] | None = None
        self._vectors: dict[str, np.ndarray] = {}

    def learn(self, history: History) -> Learned:
        """Learns from all trials.

        Returns:
            What was learned.
        """
        size = len(history.space.space)
        if self._encoding is None or self._encoding[0] != size:
            self._encoding, self._vectors = (size, Encoding(history.space)), {}
        encoding = self._encoding[1]

        def encode(trials: Sequence[Trial]) -> np.ndarray:
            new = [trial for trial in trials if trial.trial_id not in self._vectors]
            vectors = encoding.encode([history.values(trial) for trial in new])
            self._vectors |= {one.trial_id: row for one, row in zip(new, vectors, strict=True)}
            rows = [self._vectors[trial.trial_id] for trial in trials]
            return np.array(rows).reshape(len(rows), encoding.width)

        losses = np.array([history.loss(trial) for trial in history.completed])
        learned = _best_and_latest(losses)
        x = encode([history.completed[place] for place in learned])
        scores = success = None
        if len(learned) >= _LEAST:
            y = surrogate.half_ranks(losses)[learned]
            running = encode(list(history.running.values()))
            scores = surrogate.scores(x, y, running, encoding.starts, self.fits)
        if history.failed:
            bad = encode(history.failed[-_LATEST:])
            success = surrogate.success(x, bad, encoding.starts, self.fits)
        return Learned(encoding, scores, success)


def _best_and_latest(losses: np.ndarray) -> np.ndarray:
    """Returns the places of the trials that are learned from, in order."""
    early = np.argsort(losses[: max(len(losses) - _LATEST, 0)], kind="stable")[:_BEST]
    return np.concatenate([np.sort(early), np.arange(max(len(losses) - _LATEST, 0), len(losses))])
