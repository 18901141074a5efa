"""Candidates for the next trial, ranked by the predictor's model."""

from collections.abc import Callable, Iterable, Sequence

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal
from kerasnas.oracles.genome import Values
from kerasnas.oracles.predictor import surrogate
from kerasnas.oracles.predictor.model import Learned

# How many candidates are judged for one proposal: changes of the best trials, and random settings.
# Of two numbers, here and below, the second is for proposals away from the best trial.
_CHANGED, _RANDOM = (200, 80), (50, 120)
_PARENTS = 10
_MOST_CHANGES = 3
# How many of the most promising candidates are climbed from, how many changes of each are judged in
# a round, and how far these changes go in each of the rounds, as shares of a range.
_STARTS, _NEAR = (5, 10), 10
_STEPS = (0.2, 0.1, 0.05, 0.02)
# The chance of a proposal away from the best grows by 1 / `_STALLED` with every trial since the
# last improvement, up to `_AWAY`. An improvement counts if it is larger than `_NOTABLE` of the
# distance from the median loss to the best.
_STALLED, _AWAY, _NOTABLE = 40, 0.7, 0.01
# How many changes of the best in a single decision are judged for one proposal.
_SINGLE = 100
# How well the model must predict each trial from the others (a correlation) to be used there. If it
# does not, one of the best few is changed a little in some decisions, without the model.
_AGREEMENT = 0.3
_BLIND_PARENTS, _BLIND_STEP, _BLIND = 3, 0.1, 8


def near_best(history: History, learned: Learned, rng: np.random.Generator) -> list[Proposal]:
    """Returns changes of the best trial, ranked by expected improvement if the model is good.

    Args:
        history: The view of the search.
        learned: What the model has learned from its trials.
        rng: Generator of every draw.

    Returns:
        Proposals, the best last; none before a trial has completed.
    """
    best = _parents(history)
    if not best:
        return []
    scores = learned.scores
    if scores is not None and scores.agreement > _AGREEMENT:
        judge = learned.judge(surrogate.improvement(scores.model, scores.best))
        changes = genome.mutants(history.space, best[0].values, rng, [1] * _SINGLE)
        parent = best[0]
    else:
        judge = learned.judge(None)
        parent = best[int(rng.integers(min(len(best), _BLIND_PARENTS)))]
        counts = [_MOST_CHANGES] * _BLIND
        changes = genome.mutants(history.space, parent.values, rng, counts, _BLIND_STEP)
    pool = Candidates(judge, history.ruled_out)
    pool.add([Proposal(values, parent.parents, parent.operator) for values in changes])
    return pool.ranked()


def anywhere(history: History, learned: Learned, rng: np.random.Generator) -> list[Proposal]:
    """Returns candidates from the whole space, or from where the best trial is not, ranked.

    Args:
        history: The view of the search.
        learned: What the model has learned from its trials.
        rng: Generator of every draw.

    Returns:
        Proposals, the best last.
    """
    losses = np.array([history.loss(trial) for trial in history.completed])
    away = rng.random() < min(_stalled(losses) / _STALLED, _AWAY)
    promise = None
    if learned.scores is not None:
        model, best, _ = learned.scores
        promise = surrogate.elsewhere(model, rng) if away else surrogate.improvement(model, best)
    pool = Candidates(learned.judge(promise), history.ruled_out)
    space = history.space
    changed, others = pool.add(
        _changes(space, _parents(history), _CHANGED[away], rng),
        [Proposal(genome.sample(space, rng)) for _ in range(_RANDOM[away])],
    )
    count = _STARTS[away]
    if away:
        starts = pool.best(changed, count // 2) + pool.best(others, count // 2)
    else:
        starts = pool.best(changed + others, count)
    for step in _STEPS:
        near = pool.add(*(_changes(space, [pool.found[name]], _NEAR, rng, step) for name in starts))
        starts = [pool.best([name, *names], 1)[0] for name, names in zip(starts, near, strict=True)]
    return pool.ranked()


def _parents(history: History) -> list[Proposal]:
    return [
        Proposal(history.values(trial), (trial.trial_id,), "predicted")
        for trial in history.best(_PARENTS)
    ]


def _changes(
    space: keras_tuner.HyperParameters,
    best: Sequence[Proposal],
    count: int,
    rng: np.random.Generator,
    step: float | None = None,
) -> list[Proposal]:
    """Returns so many changes of some proposals, each in one to three decisions."""
    if not best:
        return []
    parents = rng.integers(len(best), size=count)
    changes = 1 + rng.integers(_MOST_CHANGES, size=count)
    found = []
    for place, one in enumerate(best):
        counts = changes[parents == place].tolist()
        for values in genome.mutants(space, one.values, rng, counts, step):
            found.append(Proposal(values, one.parents, one.operator))
    return found


def _stalled(losses: np.ndarray) -> int:
    """Returns how many trials have completed since the first one about as good as the best."""
    if not len(losses):
        return 0
    least = losses.min()
    spread = float(np.median(losses) - least)
    about = losses <= least + (_NOTABLE * spread if np.isfinite(spread) else 0.0)
    return len(losses) - 1 - int(np.argmax(about))


class Candidates:
    """A pool of proposals, each with its worth.

    Args:
        judge: Callable from a list of settings to an array of their worths, larger is better.
        ruled_out: Callable that returns whether a setting cannot be tried.
    """

    def __init__(
        self,
        judge: Callable[[list[Values]], np.ndarray],
        ruled_out: Callable[[Values], bool],
    ):
        self.found: dict[str, Proposal] = {}
        self._judge, self._ruled_out = judge, ruled_out
        self._worth: dict[str, float] = {}

    def add(self, *groups: list[Proposal]) -> list[list[str]]:
        """Judges new proposals.

        Args:
            *groups: Lists of proposals.

        Returns:
            For each group, the names of those proposals that may be tried.
        """
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
        """Returns the names of the proposals of most worth, the best last.

        Args:
            names: Names to choose from.
            count: How many at most.
        """
        return sorted(names, key=self._worth.__getitem__)[-count:]

    def ranked(self) -> list[Proposal]:
        """Returns all proposals that may be tried, the best last."""
        return [self.found[name] for name in self.best(self.found, len(self.found))]
