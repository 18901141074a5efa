"""Bayesian optimization with a Gaussian process: KerasTuner's own, on our base.

KerasTuner's oracle is kept beside ours and asked for one proposal at a time, with our trials, our
space and generators seeded from ours. Private parts of it, as read in keras-tuner 1.4.8:
`_vectorize_trials`, `_make_gpr`, `_random_state`; and, set from outside, its `hyperparameters`,
`trials`, `ongoing_trials`, `seed` and `gpr`.
"""

from typing import Any, NamedTuple

import keras_tuner
import numpy as np
import sklearn
import threadpoolctl

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.genome.decision import Decision, Value
from kerasnas.runtime.arguments import check_integer


class _Scored(NamedTuple):
    """The part of a completed trial that KerasTuner's oracle reads."""

    hyperparameters: keras_tuner.HyperParameters
    status: str
    score: float


class Bayesian(Strategy):
    """KerasTuner's Bayesian optimization: a Gaussian process and its lower confidence bound.

    A proposal takes seconds, and longer with every trial: the process is fitted to all of them. It
    is therefore asked once for each trial; where its proposal was tried or does not fit, steps away
    from it follow, one decision at a time. `PredictorOracle` does more in less time.

    Args:
        num_initial_points: How many random settings come first. Defaults to three for each
            hyperparameter, as in KerasTuner.
        alpha: Noise that the process assumes in the scores.
        beta: How much it prefers what is uncertain.

    Raises:
        ValueError: A number out of its range.

    Source:
        `keras_tuner.oracles.BayesianOptimizationOracle` of KerasTuner 1.4.8; Snoek et al. 2012,
        arXiv:1206.2944.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.BayesianOracle("val_accuracy", max_trials=50, seed=0)
    """

    def __init__(
        self,
        num_initial_points: int | None = None,
        alpha: float = 1e-4,
        beta: float = 2.6,
    ):
        check_integer("num_initial_points", num_initial_points, least=1, optional=True)
        if alpha <= 0 or beta < 0:
            raise ValueError(
                "alpha must be positive, and beta must not be negative. "
                f"Received: alpha={alpha!r}, beta={beta!r}"
            )
        self.num_initial_points, self.alpha, self.beta = num_initial_points, alpha, beta
        self._theirs: Any = None
        # The last proposal for the trial that is being looked for.
        self._near: genome.Values | None = None

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Samples first; then asks the process, or changes its proposal if it was turned away."""
        space = history.space
        needed = self.num_initial_points or max(3 * len(space.space), 3)
        if len(history.completed) < needed:
            return Proposal(genome.sample(space, rng))
        if self._near is not None and history.asked:
            self._near = genome.mutate(space, self._near, rng)
            return Proposal(self._near, operator="near the model's")
        self._near = self._ask(history, rng)
        return Proposal(self._near, operator="model")

    def _ask(self, history: History, rng: np.random.Generator) -> genome.Values:
        if self._theirs is None:
            self._theirs = keras_tuner.oracles.BayesianOptimizationOracle(
                objective=keras_tuner.Objective("loss", "min"),
                num_initial_points=1,  # Counted here: theirs would sample outside of our generator.
                alpha=self.alpha,
                beta=self.beta,
                seed=1,
            )
        theirs = self._theirs
        theirs.hyperparameters = history.space
        theirs.seed = int(rng.integers(2**31))
        theirs._random_state = np.random.RandomState(theirs.seed)
        theirs.gpr = theirs._make_gpr()
        completed = {
            trial.trial_id: _Scored(trial.hyperparameters, trial.status, history.loss(trial))
            for trial in history.completed
        }
        running = dict(history.running)
        # Predictions are of one row each, for which checks and threads cost more than the work.
        with (
            sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
            threadpoolctl.threadpool_limits(1),
        ):
            if running:
                # Their oracle predicts scores of running trials with a process that must be fitted.
                theirs.trials, theirs.ongoing_trials = completed, {}
                theirs.gpr.fit(*theirs._vectorize_trials())
            theirs.trials, theirs.ongoing_trials = {**completed, **running}, running
            proposed = theirs.populate_space("")["values"]

        def keep(decision: Decision, rng: np.random.Generator) -> Value:
            value = genome.plain(proposed.get(decision.hp.name))
            # Their value can belong to another registration, or be rounded past the range's end.
            return value if decision.allows(value) else decision.draw(rng)

        return genome.sample(history.space, rng, keep)
