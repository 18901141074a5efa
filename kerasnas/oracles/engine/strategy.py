"""The interface of a search strategy."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.objectives import check_one
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.genome import Values


class Strategy:
    """Decides which setting is tried next; the oracle does everything else.

    A subclass defines `propose`. It reads the search through the history that it gets, draws from
    the generator that it gets, and keeps only what cannot be read from the trials. The oracle
    numbers and saves the trials, and turns away repeats and settings that break the budget.

    Attributes:
        multi_objective: Whether the strategy takes several objectives.
        patience: How many proposals for one trial may break the budget before the nearest of them
            is repaired, that is, changed step by step until it fits.
        limits: Mapping from a metric or cost to its limit; trials within the limits rank before
            all others, front after front. None ranks trials by the first objective alone.
        exhaustive: Whether it tries every setting in turn, so that none may be passed over for what
            its training costs.
        end_reason: Why `propose` has no further proposal, for the message at the end; None leaves
            the message to the oracle.
        has_searched: Whether it was asked before; it then cannot be given to another oracle.

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
    # Smaller numbers repair proposals that are further from the budget, larger ones waste proposals
    # (`benchmarks/repair.py --patience`).
    patience = 10
    limits: Mapping[str, float] | None = None
    exhaustive = False
    end_reason: str | None = None
    has_searched = False

    def propose(self, history: History, rng: np.random.Generator) -> Proposal | None:
        """Proposes the next setting.

        The oracle calls it again for the same trial while proposals are turned away because they
        repeat a trial or break the budget.

        Args:
            history: The view of the search: its space, its trials and their losses.
            rng: The oracle's generator, to be used for every draw.

        Returns:
            The proposal, or None to wait until a running trial has ended. None while no trial is
            running ends the search.
        """
        raise NotImplementedError(f"{type(self).__name__} must define propose(self, history, rng).")

    def check_objectives(self, names: Sequence[str]) -> None:
        """Refuses objectives that the strategy cannot search for, before any trial.

        Args:
            names: Names of the objectives.

        Raises:
            ValueError: There are several, and the strategy takes one.
        """
        if not self.multi_objective:
            check_one(self, names)

    def state(self) -> dict[str, Any]:
        """Returns what the strategy keeps between proposals and cannot read from the trials.

        It is saved with every trial, so it should be small.

        Returns:
            A dict that JSON can hold.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores a state.

        Args:
            state: The result of `state`, after JSON if a run was resumed: tuples are lists.
        """

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that must stay the same when the search is resumed.

        Returns:
            A dict that JSON can hold, by the names of the arguments.
        """
        return {}

    def invalidate_cache(self) -> None:
        """Drops what the strategy has derived from the trials.

        The oracle calls it when losses of ended trials, or the order of their ends, have changed.
        """

    def note(
        self, history: History, values: Values, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Returns notes that are saved in the lineage of a trial that begins.

        Args:
            history: The view of the search, without that trial.
            values: The setting of the trial, which the strategy need not have proposed: it may be a
                queued or repaired one.
            rng: The oracle's generator.

        Returns:
            A dict that JSON can hold, by names of the strategy's own, or None.
        """
        return None


def is_strategy(value: Any) -> TypeGuard[Strategy | type[Strategy]]:
    """Returns whether a value is a strategy or the class of a strategy."""
    return isinstance(value, Strategy) or (isinstance(value, type) and issubclass(value, Strategy))


def made(strategy: Any) -> Strategy:
    """Returns a strategy for one search.

    Args:
        strategy: A strategy, which is copied because it keeps the state of one search; or its
            class.

    Returns:
        The strategy.

    Raises:
        TypeError: The argument is neither, or the class needs arguments.
        ValueError: It has searched before.
    """
    if isinstance(strategy, Strategy):
        if strategy.has_searched:
            raise ValueError(
                "A strategy that has searched keeps what it has come to, and cannot begin another "
                f"search: make a new {type(strategy).__name__}. Received: strategy={strategy!r}"
            )
        try:
            return copy.deepcopy(strategy)
        except TypeError as error:
            raise TypeError(
                f"A strategy is copied for its search, and {type(strategy).__name__} cannot be: "
                f"{error}. Pass the class, or keep in it only what can be copied"
            ) from error
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
