"""Predictor-guided search, after BANANAS. White et al. 2021, arXiv:1910.11858."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome, surrogate
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.encoding import Encoding
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proposal import Proposal

# How many candidates are judged for one proposal: changes of the best trials, and random settings.
# The second of two numbers is for proposals away from the best, here and below.
_CHANGED, _RANDOM = (200, 80), (50, 120)
_PARENTS = 10
_MOST_CHANGES = 3
# How many of the most promising candidates are climbed from, how many changes of each are judged in
# a round, and how far these changes go in each of the rounds, as shares of a range.
_STARTS, _NEAR = (5, 10), 10
_STEPS = (0.2, 0.1, 0.05, 0.02)
# A Gaussian process costs the cube of what it takes in: the best and the latest are enough.
_BEST, _LATEST = 150, 100
# The chance of a proposal away from the best grows by one in `_STALLED` with every trial since the
# last improvement, up to `_AWAY`. Only an improvement by more than `_NOTABLE` of the distance from
# the median to the best counts.
_STALLED, _AWAY, _NOTABLE = 40, 0.7, 0.01
# The share of the proposals that change the best in a single decision, so many of which are judged.
# Coordinate descent so goes on where no model of the whole space sees a gradient.
_LOCAL, _SINGLE = 0.5, 100
# How well the model must predict each trial from the others for its word to count there. Otherwise
# one of the best few is changed a little in some decisions, whatever the model believes.
_AGREEMENT = 0.3
_BLIND_PARENTS, _BLIND_STEP, _BLIND = 3, 0.1, 8
# Trials without which no score can be predicted.
_LEAST = 2


class PredictorOracle(Oracle):
    """Learns to predict scores from settings, and tries what it believes may be best.

    A Gaussian process with a length scale for every decision predicts a setting's score, taken by
    rank where it is worse than the median. Half of the proposals change the best trial in one
    decision, the one from which most improvement is expected; where the process does not predict
    the trials from each other, one of the best is changed a little at random. The other half comes
    from the whole space: the candidate with the largest expected improvement or, the more often the
    longer nothing better was found, with the largest away from the best, over the best that is
    known there. Candidates are the best trials with one to three decisions changed, some random
    settings, and what climbs from the most promising of these lead to. Where trials have failed, a
    second process predicts the chance that a candidate does not, and counts against what may fail.
    A share of the proposals is random, whatever the models believe.

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
        White et al. 2021, arXiv:1910.11858: candidates by mutation of the best. A Gaussian process
        in the place of its neural networks: at a hundred trials it predicts better, and at once.
        Changes of one decision: Hutter et al. 2011, "Sequential Model-Based Optimization for
        General Algorithm Configuration", section 4.3, who climb by them.
        Failures: Gardner et al. 2014, "Bayesian Optimization with Inequality Constraints".

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
        # Vectors of the trials in one encoding; both follow from the trials.
        self._encoding: tuple[int, Encoding] | None = None
        self._vectors: dict[str, np.ndarray] = {}
        self._fits: surrogate.Fits = {}
        # What is left of the ranked candidates for the trial that is being looked for.
        self._ranked: tuple[int, list[Proposal]] = (-1, [])

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Gives the candidate that promises most, of those that were not turned away."""
        trials, left = self._ranked
        if trials == len(self.trials) and left:
            return left.pop()
        failed = self._with_status(TrialStatus.FAILED)
        ended = len(self.completed) + len(failed)
        if ended < self.initial_samples or rng.random() < self.exploration:
            return Proposal(genome.sample(self.hyperparameters, rng))
        left = self._rank(failed, rng)
        self._ranked = len(self.trials), left
        return left.pop() if left else Proposal(genome.sample(self.hyperparameters, rng))

    def strategy_state(self) -> dict[str, Any]:
        """The parameters of the models."""
        return {"models": {name: list(fit) for name, fit in self._fits.items()}}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up the models; forgets the candidates for a trial that did not come about."""
        # Version 0.1.0 had other models.
        self._fits = {
            name: (trials, columns, list(parameters))
            for name, (trials, columns, parameters) in state.get("models", {}).items()
        }
        self._ranked = (-1, [])

    def _rank(self, failed: list[Trial], rng: np.random.Generator) -> list[Proposal]:
        """Candidates by what they promise, the best last."""
        # Threads cost more than they save on matrices of this size, and round differently.
        import threadpoolctl

        losses = np.array([self.loss(trial) for trial in self.completed])
        with threadpoolctl.threadpool_limits(1):
            learned = self._learn(failed, losses)
            near = self._near_best(learned, rng) if rng.random() < _LOCAL else []
            return near or self._anywhere(learned, losses, rng)

    def _near_best(self, learned: "_Learned", rng: np.random.Generator) -> list[Proposal]:
        """Changes of the best, ranked by improvement where the model is worth anything."""
        best = self._parents()
        if not best:
            return []
        scores = learned.scores
        if scores is not None and scores.agreement > _AGREEMENT:
            judge = learned.judge(surrogate.improvement(scores.model, scores.best))
            changes = genome.mutants(self.hyperparameters, best[0].values, rng, [1] * _SINGLE)
            parent = best[0]
        else:
            judge = learned.judge(None)
            parent = best[int(rng.integers(min(len(best), _BLIND_PARENTS)))]
            counts = [_MOST_CHANGES] * _BLIND
            changes = genome.mutants(self.hyperparameters, parent.values, rng, counts, _BLIND_STEP)
        pool = _Candidates(judge, self.ruled_out)
        pool.add([Proposal(values, parent.parents, parent.operator) for values in changes])
        return pool.ranked()

    def _anywhere(
        self, learned: "_Learned", losses: np.ndarray, rng: np.random.Generator
    ) -> list[Proposal]:
        """What promises most in the whole space, or away from the best."""
        away = rng.random() < min(_stalled(losses) / _STALLED, _AWAY)
        promise = None
        if learned.scores is not None:
            model, best, _ = learned.scores
            promise = (
                surrogate.elsewhere(model, rng) if away else surrogate.improvement(model, best)
            )
        pool = _Candidates(learned.judge(promise), self.ruled_out)
        space = self.hyperparameters
        changed, others = pool.add(
            self._changes(self._parents(), _CHANGED[away], rng),
            [Proposal(genome.sample(space, rng)) for _ in range(_RANDOM[away])],
        )
        count = _STARTS[away]
        if away:
            starts = pool.best(changed, count // 2) + pool.best(others, count // 2)
        else:
            starts = pool.best(changed + others, count)
        for step in _STEPS:
            near = pool.add(
                *(self._changes([pool.found[name]], _NEAR, rng, step) for name in starts)
            )
            starts = [
                pool.best([name, *names], 1)[0] for name, names in zip(starts, near, strict=True)
            ]
        return pool.ranked()

    def _parents(self) -> list[Proposal]:
        return [
            Proposal(self._values(trial), (trial.trial_id,), "predicted")
            for trial in self.get_best_trials(_PARENTS)
        ]

    def _changes(
        self,
        best: Sequence[Proposal],
        count: int,
        rng: np.random.Generator,
        step: float | None = None,
    ) -> list[Proposal]:
        """So many changes of one of some proposals, each in one to three decisions."""
        if not best:
            return []
        parents = rng.integers(len(best), size=count)
        changes = 1 + rng.integers(_MOST_CHANGES, size=count)
        found = []
        for place, one in enumerate(best):
            counts = changes[parents == place].tolist()
            for values in genome.mutants(self.hyperparameters, one.values, rng, counts, step):
                found.append(Proposal(values, one.parents, one.operator))
        return found

    def _learn(self, failed: list[Trial], losses: np.ndarray) -> "_Learned":
        """Learns from the trials."""
        size = len(self.hyperparameters.space)
        if self._encoding is None or self._encoding[0] != size:
            self._encoding, self._vectors = (size, Encoding(self.hyperparameters)), {}
        encoding = self._encoding[1]
        learned = _best_and_latest(losses)
        x = self._encode([self.completed[place] for place in learned], encoding)
        scores = success = None
        if len(learned) >= _LEAST:
            y = surrogate.half_ranks(losses)[learned]
            running = self._encode(self._with_status(None), encoding)
            scores = surrogate.scores(x, y, running, encoding.starts, self._fits)
        if failed:
            bad = self._encode(failed[-_LATEST:], encoding)
            success = surrogate.success(x, bad, encoding.starts, self._fits)
        return _Learned(encoding, scores, success)

    def _encode(self, trials: list[Trial], encoding: Encoding) -> np.ndarray:
        new = [trial for trial in trials if trial.trial_id not in self._vectors]
        vectors = encoding.encode([self._values(trial) for trial in new])
        self._vectors |= {one.trial_id: row for one, row in zip(new, vectors, strict=True)}
        rows = [self._vectors[trial.trial_id] for trial in trials]
        return np.array(rows).reshape(len(rows), encoding.width)

    def _values(self, trial: Trial) -> Values:
        return genome.settle(self.hyperparameters, trial.hyperparameters.values)

    def _with_status(self, status: str | None) -> list[Trial]:
        """The trials of a status; None for those that have not ended."""
        ended = (TrialStatus.COMPLETED, TrialStatus.FAILED)
        return [
            trial
            for trial in self.trials.values()
            if trial.status == status or (status is None and trial.status not in ended)
        ]


def _best_and_latest(losses: np.ndarray) -> np.ndarray:
    """Places of the trials that are learned from, in order."""
    early = np.argsort(losses[: max(len(losses) - _LATEST, 0)], kind="stable")[:_BEST]
    return np.concatenate([np.sort(early), np.arange(max(len(losses) - _LATEST, 0), len(losses))])


def _stalled(losses: np.ndarray) -> int:
    """How many trials have completed since there was one about as good as the best."""
    if not len(losses):
        return 0
    least = losses.min()
    spread = float(np.median(losses) - least)
    about = losses <= least + (_NOTABLE * spread if np.isfinite(spread) else 0.0)
    return len(losses) - 1 - int(np.argmax(about))


class _Learned(NamedTuple):
    """What is known of scores and of failures, where there are any."""

    encoding: Encoding
    scores: surrogate.Scores | None
    success: surrogate.Judge | None

    def judge(self, promise: surrogate.Judge | None) -> Callable[[list[Values]], np.ndarray]:
        """What settings promise, less where they may fail."""
        judges = [one for one in (promise, self.success) if one is not None]

        def judge(settings: list[Values]) -> np.ndarray:
            queries = self.encoding.encode(settings)
            return np.sum([np.zeros(len(queries)), *(one(queries) for one in judges)], axis=0)

        return judge


class _Candidates:
    """Proposals by what they promise.

    Args:
        judge: Callable from settings to what they promise.
        ruled_out: Callable from a setting to whether it cannot be tried.
    """

    def __init__(
        self, judge: Callable[[list[Values]], np.ndarray], ruled_out: Callable[[Values], bool]
    ):
        self.found: dict[str, Proposal] = {}
        self._judge, self._ruled_out = judge, ruled_out
        self._worth: dict[str, float] = {}

    def add(self, *groups: list[Proposal]) -> list[list[str]]:
        """Judges those that are not known, and names those of each group that may be tried."""
        named = [{repr(one.values): one for one in group} for group in groups]
        fresh = {
            name: one
            for group in named
            for name, one in group.items()
            if name not in self.found and not self._ruled_out(one.values)
        }
        if fresh:
            judged = self._judge([one.values for one in fresh.values()])
            self._worth.update(zip(fresh, judged.tolist(), strict=True))
            self.found.update(fresh)
        return [[name for name in group if name in self.found] for group in named]

    def best(self, names: Iterable[str], count: int) -> list[str]:
        """Those that promise most, the best last."""
        return sorted(names, key=self._worth.__getitem__)[-count:]

    def ranked(self) -> list[Proposal]:
        """All that may be tried, the best last."""
        return [self.found[name] for name in self.best(self.found, len(self.found))]
