"""Simulated annealing. Kirkpatrick, Gelatt and Vecchi 1983, doi:10.1126/science.220.4598.671."""

import math
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.admission import key_of
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proposal import Proposal

# Moves onto settings whose score is known, before one that must be trained is forced.
_FREE_MOVES = 50


class SimulatedAnnealingOracle(Oracle):
    """Moves from setting to setting; to a worse one with a chance that falls with the temperature.

    A proposal is the current setting with one decision changed. It is accepted when it is better,
    else with probability exp(-loss / temperature), as in the algorithm of Metropolis. The
    temperature starts at a share of the spread of the first scores (their interquartile range), and
    falls geometrically to a hundredth of that by the last trial. Moving onto a setting that was
    trained before costs no trial.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there; the cooling follows from it.
        initial_samples: How many random settings come first; the best is the start. Defaults to a
            tenth of `max_trials`, at least 4 and at most 20.
        temperature: First temperature, as a share of the spread of the first scores.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range.

    Source:
        Kirkpatrick et al. 1983; the temperature from the observed spread is ours, since scores of
        different objectives have no common scale.

    Example:

    ```python
    oracle = SimulatedAnnealingOracle("val_accuracy", max_trials=50, seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        temperature: float = 0.25,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("initial_samples", initial_samples, at_least=2, optional=True)
        number = isinstance(temperature, (int, float, np.number))
        if not number or not 0 < temperature < math.inf:
            raise ValueError(
                f"temperature must be a number above 0. Received: temperature={temperature!r}"
            )
        self.initial_samples = int(initial_samples or self.share_of_trials(10, 4, 20))
        self.temperature = temperature
        # The current trial, and how many completed ones have been accepted or rejected.
        self._current: str | None = None
        self._decided = 0
        # Completed trials by their settings; follows from the trials.
        self._known: dict[str, Trial] = {}
        self._known_of = 0

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Decides about what has ended since, then changes one decision of the current setting."""
        if len(self.completed) < self.initial_samples:
            return Proposal(genome.sample(self.hyperparameters, rng))
        first = self.completed[: self.initial_samples]
        if self._current is None:
            self._current = min(first, key=self.loss).trial_id
            self._decided = self.initial_samples
        while self._decided < len(self.completed):
            self._decide(self.completed[self._decided], rng)
            self._decided += 1
        self._note_known()
        for _ in range(_FREE_MOVES):
            current = self.trials[self._current]
            values = genome.mutate(self.hyperparameters, current.hyperparameters.values, rng)
            known = self._known.get(key_of(values))
            if known is None and not self.ruled_out(values):
                return Proposal(values, (current.trial_id,), "mutation")
            if known is not None:
                self._decide(known, rng)
        current = self.trials[self._current]
        near = genome.mutate(self.hyperparameters, current.hyperparameters.values, rng)
        far = genome.mutate(self.hyperparameters, near, rng)
        return Proposal(far, (current.trial_id,), "jump")

    def strategy_state(self) -> dict[str, Any]:
        """The current setting, and which trials were decided about."""
        return {"current": self._current, "decided": self._decided}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up the current setting."""
        self._current, self._decided = state["current"], state["decided"]

    def _decide(self, trial: Trial, rng: np.random.Generator) -> None:
        assert self._current is not None
        worse = self.loss(trial) - self.loss(self.trials[self._current])
        if worse <= 0 or rng.random() < math.exp(-worse / self._temperature_now()):
            self._current = trial.trial_id

    def _temperature_now(self) -> float:
        losses = [self.loss(trial) for trial in self.completed[: self.initial_samples]]
        low, high = np.quantile(losses, [0.25, 0.75])
        done = min(len(self.trials) / (self.max_trials or 1000), 1.0)
        # Where all first scores are equal nothing is worse by a known measure.
        return max(self.temperature * float(high - low), 1e-12) * 0.01**done

    def _note_known(self) -> None:
        if self._known_of > len(self.completed):
            self._known, self._known_of = {}, 0
        for trial in self.completed[self._known_of :]:
            values: Values = genome.settle(self.hyperparameters, trial.hyperparameters.values)
            self._known[key_of(values)] = trial
        self._known_of = len(self.completed)
