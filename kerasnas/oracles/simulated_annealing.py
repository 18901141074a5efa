"""Simulated annealing. Kirkpatrick, Gelatt and Vecchi 1983, doi:10.1126/science.220.4598.671."""

import math
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.engine.proposal_filter import key_of
from kerasnas.runtime.arguments import check_integer, check_number

# How many moves in a row may lead to settings with a known score, before a new one is proposed.
_FREE_MOVES = 50


class SimulatedAnnealing(Strategy):
    """Moves from setting to setting; to a worse one with a chance that falls with the temperature.

    A proposal is the current setting with one decision changed. It is accepted when it is better,
    else with probability exp(-loss / temperature), as in the algorithm of Metropolis. The
    temperature starts at a share of the spread of the first scores (their interquartile range), and
    falls geometrically to a hundredth of that by the last trial. Moving onto a setting that was
    trained before costs no trial.

    Args:
        initial_samples: How many random settings come first; the best is the start. Defaults to a
            tenth of `max_trials`, at least 4 and at most 20.
        temperature: First temperature, as a share of the spread of the first scores.

    Raises:
        ValueError: A number out of its range.

    Source:
        Kirkpatrick et al. 1983; the temperature from the observed spread is ours, since scores of
        different objectives have no common scale.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.SimulatedAnnealingOracle("val_accuracy", max_trials=50, seed=0)
    """

    def __init__(self, initial_samples: int | None = None, temperature: float = 0.25):
        check_integer("initial_samples", initial_samples, least=2, optional=True)
        check_number("temperature", temperature, above=0)
        self.initial_samples = initial_samples
        self.temperature = temperature
        # The current trial, and how many completed ones have been accepted or rejected.
        self._current: str | None = None
        self._decided = 0
        # Completed trials by the keys of their settings, which follow from the trials.
        self._known: dict[str, Trial] = {}
        self._known_of = 0

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Accepts or rejects trials that ended since, then changes one decision of the setting."""
        samples = self._samples(history)
        if len(history.completed) < samples:
            return Proposal(genome.sample(history.space, rng))
        first = history.completed[:samples]
        if self._current is None:
            self._current = min(first, key=history.loss).trial_id
            self._decided = samples
        while self._decided < len(history.completed):
            self._decide(history, history.completed[self._decided], rng)
            self._decided += 1
        for trial in history.completed[self._known_of :]:
            self._known[key_of(history.values(trial))] = trial
        self._known_of = len(history.completed)
        for _ in range(_FREE_MOVES):
            current = history.trials[self._current]
            values = genome.mutate(history.space, current.hyperparameters.values, rng)
            known = self._known.get(key_of(values))
            if known is None and not history.ruled_out(values):
                return Proposal(values, (current.trial_id,), "mutation")
            if known is not None:
                self._decide(history, known, rng)
        current = history.trials[self._current]
        far = genome.mutants(history.space, current.hyperparameters.values, rng, [2])[0]
        return Proposal(far, (current.trial_id,), "jump")

    def invalidate_cache(self) -> None:
        """Makes all trials be read again."""
        self._known, self._known_of = {}, 0

    def state(self) -> dict[str, Any]:
        """Returns the current trial, and how many completed trials were accepted or rejected."""
        return {"current": self._current, "decided": self._decided}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the current trial."""
        self._current, self._decided = state["current"], state["decided"]

    def _samples(self, history: History) -> int:
        return int(self.initial_samples or history.share_of_trials(10, 4, 20))

    def _decide(self, history: History, trial: Trial, rng: np.random.Generator) -> None:
        assert self._current is not None
        worse = history.loss(trial) - history.loss(history.trials[self._current])
        if worse <= 0 or rng.random() < math.exp(-worse / self._temperature_now(history)):
            self._current = trial.trial_id

    def _temperature_now(self, history: History) -> float:
        losses = [history.loss(trial) for trial in history.completed[: self._samples(history)]]
        low, high = np.quantile(losses, [0.25, 0.75])
        done = min(len(history.trials) / (history.max_trials or 100), 1.0)
        # Where all first scores are equal, the spread is 0, and must not be divided by.
        return float(max(self.temperature * float(high - low), 1e-12) * 0.01**done)
