"""Bayesian optimization with a Gaussian process: KerasTuner's own, on our base.

KerasTuner's oracle is kept beside ours and asked for one proposal at a time, with our trials, our
space and generators seeded from ours. Private parts of it, as read in keras-tuner 1.4.8:
`_vectorize_trials`, `_make_gpr`, `_random_state`; and, set from outside, its `hyperparameters`,
`objective`, `trials`, `ongoing_trials`, `seed` and `gpr`.
"""

from typing import Any

import keras_tuner
import numpy as np
import sklearn
import threadpoolctl

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.decision import Decision, Value
from kerasnas.oracles.proposal import Proposal


class BayesianOracle(Oracle):
    """KerasTuner's Bayesian optimization: a Gaussian process and its lower confidence bound.

    A proposal takes seconds, and longer with every trial: the process is fitted to all of them. It
    is therefore asked once for each trial; where its proposal was tried or does not fit, steps away
    from it follow, one decision at a time. `PredictorOracle` does more in less time.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        num_initial_points: How many random settings come first. Defaults to three for each
            hyperparameter, as in KerasTuner.
        alpha: Noise that the process assumes in the scores.
        beta: How much it prefers what is uncertain.
        seed: As in `kerasnas.oracles.Oracle`.
        hyperparameters: As there.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range.

    Source:
        `keras_tuner.oracles.BayesianOptimizationOracle` of KerasTuner 1.4.8; Snoek et al. 2012,
        arXiv:1206.2944.

    Example:

    ```python
    oracle = BayesianOracle("val_accuracy", max_trials=50, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    # In the order of `keras_tuner.BayesianOptimization`, for scripts that give them by position.
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        num_initial_points: int | None = None,
        alpha: float = 1e-4,
        beta: float = 2.6,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, hyperparameters, seed=seed, **kwargs)
        check_count("num_initial_points", num_initial_points, at_least=1, optional=True)
        if alpha <= 0 or beta < 0:
            raise ValueError(
                "alpha must be positive, and beta must not be negative. "
                f"Received: alpha={alpha!r}, beta={beta!r}"
            )
        self.num_initial_points = num_initial_points
        self._theirs = keras_tuner.oracles.BayesianOptimizationOracle(
            objective=self.objective,
            num_initial_points=1,  # Counted here: theirs would sample outside of our generator.
            alpha=alpha,
            beta=beta,
            seed=1,
        )
        # What the process proposed for the trial that is being sought, and how far we are from it.
        self._near: genome.Values | None = None

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Samples first; then asks the process, or steps away from what it proposed."""
        space = self.hyperparameters
        needed = self.num_initial_points or max(3 * len(space.space), 3)
        if len(self.completed) < needed:
            return Proposal(genome.sample(space, rng))
        if self._near is not None:
            self._near = genome.mutate(space, self._near, rng)
            return Proposal(self._near, operator="near the model's")
        self._near = self._ask(rng)
        return Proposal(self._near, operator="model")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Finds the values of the next trial, with one ask of the process."""
        with self._lock:
            self._near = None
            return super().populate_space(trial_id)

    def _ask(self, rng: np.random.Generator) -> genome.Values:
        theirs = self._theirs
        theirs.hyperparameters, theirs.objective = self.hyperparameters, self.objective
        theirs.seed = int(rng.integers(2**31))
        theirs._random_state = np.random.RandomState(theirs.seed)
        theirs.gpr = theirs._make_gpr()
        completed = {trial.trial_id: trial for trial in self.completed}
        # Those that a resumed search will hand out again are running too.
        running = {name: self.trials[name] for name in self.start_order if name not in self._ended}
        # One row at a time is predicted: checks and threads cost more than the work.
        with (
            sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
            threadpoolctl.threadpool_limits(1),
        ):
            if running:
                # Theirs guesses the scores of running trials with the process of its last ask.
                theirs.trials, theirs.ongoing_trials = completed, {}
                theirs.gpr.fit(*theirs._vectorize_trials())
            theirs.trials, theirs.ongoing_trials = {**completed, **running}, running
            proposed = theirs.populate_space("")["values"]

        def keep(decision: Decision, rng: np.random.Generator) -> Value:
            value = genome.plain(proposed.get(decision.hp.name))
            # A name under several conditions, or a value that rounding took past the end.
            return value if decision.allows(value) else decision.draw(rng)

        return genome.sample(self.hyperparameters, rng, keep)
