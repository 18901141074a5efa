"""Oracles of version 0.1, where a strategy was a subclass of `Oracle` that defines `propose`."""

import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.strategy import Strategy, is_strategy
from kerasnas.oracles.genome import Values

_WARNING = (
    "{name} defines propose(self, rng), which version 0.4 will no longer call. Derive it from "
    "kerasnas.oracles.Strategy and define propose(self, history, rng): what was self.completed, "
    "self.trials, self.loss and self.hyperparameters is history.completed, history.trials, "
    "history.loss and history.space there. {name}(), without the objective, then is the first "
    "argument of kerasnas.oracles.Oracle or the second of kerasnas.Tuner."
)


def in_order(
    strategy: Any, objective: Any, max_trials: Any, hyperparameters: Any
) -> tuple[Any, Any, Any, Any]:
    """Returns the first arguments of an oracle, given in the order of version 0.1 or of today.

    In version 0.1 the objective came first, since there was no strategy.
    """
    if strategy is None or is_strategy(strategy):
        return strategy or Strategy(), objective, max_trials, hyperparameters
    if objective is not None:
        max_trials, hyperparameters = objective, hyperparameters or max_trials
    return Strategy(), strategy, max_trials, hyperparameters


def warn(name: str, propose: Callable[..., Any]) -> None:
    """Warns of a class that defines `propose`, at the line of the user's that makes its oracle.

    Args:
        name: Name of the class.
        propose: Its `propose`.

    Raises:
        TypeError: It has the arguments of a strategy's.
    """
    if "history" in inspect.signature(propose).parameters:
        raise TypeError(
            f"{name} is an oracle, and defines propose(self, history, rng), which is a strategy's: "
            "derive it from kerasnas.oracles.Strategy instead"
        )
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("kerasnas."):
        level, frame = level + 1, frame.f_back
    warnings.warn(_WARNING.format(name=name), DeprecationWarning, level)


class StrategyMethods:
    """What such a subclass may override or call; each of these belongs to a strategy now."""

    history: History
    # What the strategy is shown of it, where trials are of different lengths.
    shown: History
    hyperparameters: keras_tuner.HyperParameters
    trials: Any
    ongoing_trials: Any
    # The strategy of the class that a subclass with a `propose` of its own derives from.
    _inherited: Strategy

    def propose(self, rng: np.random.Generator) -> Proposal | None:
        """Proposes the next setting; `Strategy.propose` has taken its place."""
        return self._inherited.propose(self.shown, rng)

    def strategy_state(self) -> dict[str, Any]:
        """Returns what is kept between proposals; `Strategy.state` has taken its place."""
        return self._inherited.state()

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes up a state; `Strategy.set_state` has taken its place."""
        self._inherited.set_state(state)

    def settings(self) -> dict[str, Any]:
        """Returns what a resumed search must share; `Strategy.settings` has taken its place."""
        return self._inherited.settings()

    def forget(self) -> None:
        """Drops what was derived from the trials; `Strategy.invalidate_cache` is in its place."""
        self._inherited.invalidate_cache()

    def loss(self, trial: Trial) -> float:
        """Returns the score of a completed trial, turned so that smaller is better."""
        return self.history.loss(trial)

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Returns all objectives of a completed trial, turned so that smaller is better."""
        return self.history.losses(trial)

    def ruled_out(self, values: Values) -> bool:
        """Returns whether a setting was tried; `History.ruled_out` has taken its place."""
        return self.history.ruled_out(values)

    def share_of_trials(self, part: int, least: int, most: int) -> int:
        """Returns one part in so many of the trials; `History.share_of_trials` is in its place."""
        return self.history.share_of_trials(part, least, most)

    def check_population(self, size: int | None) -> None:
        """Refuses a population above the space; `History.check_population` is in its place."""
        self.history.check_population(size)

    @classmethod
    def proposes(cls) -> bool:
        """Returns whether the class has a `propose` of its own."""
        return cls.propose is not StrategyMethods.propose


class SubclassStrategy(Strategy):
    """Lets such a subclass propose: for its own search, or for another oracle's.

    Args:
        oracle: The oracle whose class defines `propose`.
        for_another: Whether it proposes for another oracle, whose trials it is then shown as if
            they were its own.
    """

    def __init__(self, oracle: StrategyMethods, for_another: bool = False):
        self.oracle, self.for_another = oracle, for_another
        for name in ("multi_objective", "patience"):
            setattr(self, name, getattr(type(oracle), name, getattr(oracle._inherited, name)))
        self.limits = oracle._inherited.limits

    def __deepcopy__(self, memo: Any) -> "SubclassStrategy":
        return self

    def propose(self, history: History, rng: np.random.Generator) -> Proposal | None:
        """Shows the oracle the trials, and lets it propose."""
        oracle = self.oracle
        oracle.shown = history
        if self.for_another:
            oracle.hyperparameters = history.space
            oracle.history, oracle.trials = history, history.trials
            oracle.ongoing_trials = history.running
        return oracle.propose(rng)

    def state(self) -> dict[str, Any]:
        """Returns what the oracle keeps between proposals."""
        return self.oracle.strategy_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up a state that `state` has returned."""
        self.oracle.set_strategy_state(state)

    def settings(self) -> dict[str, Any]:
        """Returns what a resumed search must share."""
        return self.oracle.settings()

    def invalidate_cache(self) -> None:
        """Drops what was derived from the trials."""
        self.oracle.forget()
