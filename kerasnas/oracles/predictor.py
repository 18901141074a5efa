"""Predictor-guided search, after BANANAS. White et al. 2021, arXiv:1910.11858."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome, surrogate
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.encoding import Encoding
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proposal import Proposal

# Candidates for one proposal: changes of the best, and random settings.
_CHANGED, _RANDOM = 200, 50
_PARENTS = 10
_MOST_CHANGES = 3
# Then, round after round, changes of the most promising ones: their number, and how far they are.
_NEAR, _REFINED = 60, 5
_STEPS = (0.1, 0.03, 0.01)
# A Gaussian process costs the cube of what it takes in: the best and the latest are enough.
_BEST, _LATEST = 150, 100
# The longer nothing better was found, the more proposals are those of which the best score was
# drawn, one more in so many after each trial and up to a share; and the wider is what is drawn, by
# one deviation more after so many trials and up to a limit: the best may be in a part that looked
# worse.
_STALLED, _DRAWN = 40, 0.7
_PATIENCE, _BOLDEST = 20, 4.0
# Trials without which no score can be predicted.
_LEAST = 2


class PredictorOracle(Oracle):
    """Learns to predict scores from settings, and tries what it believes may be best.

    A Gaussian process with a length scale for every decision predicts a setting's score, taken by
    rank where it is worse than the median. Tried is the candidate with the largest expected
    improvement or, the more often the longer nothing better was found, with the best score drawn
    from the predictions (Thompson sampling). Candidates are the best trials with one to three
    decisions changed, some random settings, and changes of the most promising of these. Where
    trials have failed, a second process predicts the chance that a candidate does not, and counts
    against what may fail. A share of the proposals is random, whatever the models believe.

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

        with threadpoolctl.threadpool_limits(1):
            judge = self._judge(failed, rng)
            found: dict[str, Proposal] = {}
            worth: dict[str, float] = {}
            new = self._candidates(rng)
            for step in (*_STEPS, None):
                fresh = {repr(one.values): one for one in new if not self.ruled_out(one.values)}
                fresh = {name: one for name, one in fresh.items() if name not in found}
                if fresh:
                    judged = judge([one.values for one in fresh.values()])
                    worth |= dict(zip(fresh, judged.tolist(), strict=True))
                    found |= fresh
                if step is not None and found:
                    best = sorted(worth, key=worth.__getitem__)[-_REFINED:]
                    new = self._changes([found[name] for name in best], _NEAR, rng, step)
        return [found[name] for name in sorted(found, key=worth.__getitem__)]

    def _candidates(self, rng: np.random.Generator) -> list[Proposal]:
        """Changes of the best trials, and random settings."""
        space = self.hyperparameters
        best = [
            Proposal(self._values(trial), (trial.trial_id,), "predicted")
            for trial in self.get_best_trials(_PARENTS)
        ]
        found = [Proposal(genome.sample(space, rng)) for _ in range(_RANDOM)]
        return found + self._changes(best, _CHANGED, rng)

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

    def _judge(
        self, failed: list[Trial], rng: np.random.Generator
    ) -> Callable[[list[Values]], np.ndarray]:
        """Learns from the trials what candidates promise."""
        size = len(self.hyperparameters.space)
        if self._encoding is None or self._encoding[0] != size:
            self._encoding, self._vectors = (size, Encoding(self.hyperparameters)), {}
        encoding = self._encoding[1]
        learned = self._best_and_latest()
        x = self._encode(learned, encoding)
        judges = []
        if len(learned) >= _LEAST:
            losses = np.array([self.loss(trial) for trial in self.completed])
            scores = dict(zip(map(id, self.completed), surrogate.half_ranks(losses), strict=True))
            y = np.array([scores[id(trial)] for trial in learned])
            running = self._encode(self._with_status(None), encoding)
            model, best = surrogate.scores("score", x, y, running, encoding.starts, self._fits)
            stalled = len(losses) - 1 - int(np.argmin(losses))
            if rng.random() < min(stalled / _STALLED, _DRAWN):
                boldness = min(1.0 + stalled / _PATIENCE, _BOLDEST)
                judges.append(surrogate.draws(model, boldness, rng))
            else:
                judges.append(surrogate.improvement(model, best))
        if failed:
            bad = self._encode(failed[-_LATEST:], encoding)
            judges.append(surrogate.success("success", x, bad, encoding.starts, self._fits))

        def judge(settings: list[Values]) -> np.ndarray:
            queries = encoding.encode(settings)
            return np.sum([one(queries) for one in judges], axis=0)

        return judge

    def _best_and_latest(self) -> list[Trial]:
        if len(self.completed) <= _BEST + _LATEST:
            return self.completed
        early, late = self.completed[:-_LATEST], self.completed[-_LATEST:]
        order = np.argsort([self.loss(trial) for trial in early], kind="stable")[:_BEST]
        return [early[place] for place in np.sort(order)] + late

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
