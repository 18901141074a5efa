"""The interface of a search strategy: one idea of what to try next."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.objectives import check_one
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.genome import Values


class Strategy:
    """Decides which setting is tried next; everything else about a search is the oracle's work.

    A strategy defines `propose`. It reads the search through the history that it is given, takes
    all that is random from the generator, and keeps only what cannot be read from the trials.
    Numbering trials, saving them, the budget and repeats are none of its concern.

    Attributes:
        multi_objective: Whether it takes several objectives.
        patience: How many proposals for one trial may break the budget before the nearest of them
            is repaired: changed step by step until it fits.
        limits: Mapping from a metric or cost to its limit; trials within the limits rank before
            all others, front after front. None ranks them by the first objective alone.
        end_reason: Why `propose` has nothing more to give, for the message at the end; None for
            the oracle's own words.
        has_searched: Whether it has been asked; it then cannot be given to another oracle.

    Example:

    >>> import kerasnas as kn
    >>> class NearTheBest(kn.oracles.Strategy):
    ...     def propose(self, history, rng):
    ...         if not history.completed or rng.random() < 0.2:
    ...             return kn.oracles.Proposal(kn.oracles.genome.sample(history.space, rng))
    ...         best = history.best(1)[0]
    ...         values = kn.oracles.genome.mutate(history.space, history.values(best), rng)
    ...         return kn.oracles.Proposal(values, (best.trial_id,), "mutation")
    >>> oracle = kn.oracles.Oracle(NearTheBest(), "val_accuracy", max_trials=20, seed=0)
    """

    multi_objective = False
    # With fewer, repairs lead further away; with more, more are redrawn in vain
    # (`benchmarks/repair.py --patience`).
    patience = 10
    limits: Mapping[str, float] | None = None
    end_reason: str | None = None
    has_searched = False

    def propose(self, history: History, rng: np.random.Generator) -> Proposal | None:
        """Proposes the next setting.

        Called again while its proposals are turned away, because they repeat a trial or break the
        budget.

        Args:
            history: What is known of the search.
            rng: The oracle's generator.

        Returns:
            The proposal, or None to wait until a running trial has ended. None while no trial
            runs ends the search.
        """
        raise NotImplementedError(f"{type(self).__name__} must define propose(self, history, rng).")

    def check_objectives(self, names: Sequence[str]) -> None:
        """Refuses objectives that the strategy cannot search for, before any trial.

        Args:
            names: Names of the objectives.

        Raises:
            ValueError: They are several, and it takes one.
        """
        if not self.multi_objective:
            check_one(self, names)

    def state(self) -> dict[str, Any]:
        """Returns what the strategy keeps between proposals, small and fit for JSON."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up a state that `state` has returned.

        Args:
            state: The state; of a resumed run it went through JSON.
        """

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that a resumed search must share with the first run."""
        return {}

    def invalidate_cache(self) -> None:
        """Drops what was derived from the trials, whose losses or order have changed."""

    def note(
        self, history: History, values: Values, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Returns what is saved in the lineage of a trial that begins.

        Args:
            history: What is known of the search, without that trial.
            values: The setting of the trial, which may not be one that this strategy proposed.
            rng: The oracle's generator.

        Returns:
            What JSON can hold, by names of the strategy's own, or None.
        """
        return None


def is_strategy(value: Any) -> TypeGuard[Strategy | type[Strategy]]:
    """Returns whether a value is a strategy, or the class of one."""
    return isinstance(value, Strategy) or (isinstance(value, type) and issubclass(value, Strategy))


def made(strategy: Any) -> Strategy:
    """Returns a strategy for one search.

    Args:
        strategy: A strategy, of which a copy is made, since it keeps what one search has come to;
            or its class.

    Returns:
        The strategy.

    Raises:
        TypeError: It is neither, or its class cannot be made without arguments.
        ValueError: It has searched before.
    """
    if isinstance(strategy, Strategy):
        if strategy.has_searched:
            raise ValueError(
                "A strategy that has searched keeps what it has come to, and cannot begin another "
                f"search: make a new {type(strategy).__name__}. Received: strategy={strategy!r}"
            )
        return copy.deepcopy(strategy)
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise TypeError(
            "strategy must be a kerasnas.oracles.Strategy, such as kerasnas.oracles.Evolution(), "
            "or its class; kerasnas.oracles.make takes names too. "
            f"Received: strategy={strategy!r}"
        )
    try:
        return strategy()
    except TypeError as error:
        raise TypeError(
            f"strategy={strategy.__name__} cannot be made without arguments: pass "
            f"{strategy.__name__}(...). {error}"
        ) from error
