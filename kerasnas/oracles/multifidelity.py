"""What Hyperband and ASHA share: a searcher that proposes, from trials of different lengths."""

import collections
import itertools
import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.proposal import Proposal
from kerasnas.oracles.searchers import SEARCHERS, named

# Of 12 epochs, a first rung of 1 found better networks than one of 2, 4 or 12 on all three data
# sets of benchmarks/short_trainings.py; shorter ones were not measured.
_LEAST_SHARE = 12
# What KerasTuner makes of an objective that is not given.
_NONE = 'Objective(name="default_objective", direction="min")'


class MultiFidelityOracle(Oracle):
    """Decides how long networks are trained; which ones are, a searcher decides.

    The searcher is any strategy of one objective. It sees each network once, with what its loss
    would be at full length: the loss after its longest training, and, for each rung above, by how
    much the networks that went on to that rung changed on average.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on to the next rung, with `factor` times the epochs.
        min_epochs: Least epochs of the first rung. Defaults to a twelfth of `max_epochs`.
        searcher: Name of the strategy that proposes networks, the class of its oracle, or the
            oracle itself.
        max_trials: As in `kerasnas.oracles.Oracle`.
        **kwargs: As there.

    Raises:
        TypeError: A class of searcher that cannot be made without further arguments.
        ValueError: A number out of its range, or a searcher that cannot propose for another oracle.
    """

    max_epochs: int

    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        min_epochs: int | None = None,
        searcher: "str | type[Oracle] | Oracle" = "random",
        max_trials: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("max_epochs", max_epochs, at_least=1)
        check_count("factor", factor, at_least=2)
        check_count("min_epochs", min_epochs, at_least=1, optional=True)
        if min_epochs is not None and min_epochs > max_epochs:
            raise ValueError(
                "min_epochs must be at most max_epochs. "
                f"Received: min_epochs={min_epochs}, max_epochs={max_epochs}"
            )
        # Numbers of numpy cannot be saved.
        self.max_epochs = int(max_epochs)
        self.factor = int(factor)
        self.min_epochs = int(min_epochs or math.ceil(max_epochs / _LEAST_SHARE))
        self.searcher = self._searcher_of(searcher)
        self.patience = self.searcher.patience
        # All of these follow from the trials: the networks that the searcher sees, each by its
        # first trial, in the order of starts and of ends; how many trials were read; changes of
        # losses from one rung to the next in the order in which they came about, and what they say
        # of a loss at a rung.
        self._networks: dict[str, Trial] = {}
        self._ended_networks: list[Trial] = []
        self._read = (0, 0)
        self._changes: list[tuple[int, int, float]] = []
        self._offsets: tuple[int, dict[int, float]] = (0, {})

    @abstractmethod
    def is_network(self, trial: Trial) -> bool:
        """Whether a trial is the first of its network, and no longer training of an earlier one."""

    @abstractmethod
    def losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """Losses of a network by the epochs that it was trained.

        Args:
            trial: The first trial of the network, which has completed.

        Returns:
            At least one loss.
        """

    def history_of(self, trial: Trial) -> Mapping[int, float]:
        """Losses that a completed trial adds to the knowledge of how losses change.

        Args:
            trial: Any completed trial.

        Returns:
            Losses by epochs of its network that no earlier trial has added in full.
        """
        return self.losses_by_epochs(trial)

    def settings(self) -> dict[str, Any]:
        """What fixes the rungs, and who proposes."""
        return {
            "max_epochs": self.max_epochs,
            "factor": self.factor,
            "min_epochs": self.min_epochs,
            "searcher": [type(self.searcher).__name__, self.searcher.settings()],
        }

    def propose(self, rng: np.random.Generator) -> Proposal | None:
        """Lets the searcher propose a network."""
        self._show_searcher()
        return self.searcher.propose(rng)

    def strategy_state(self) -> dict[str, Any]:
        """What the searcher keeps."""
        return {"searcher": self.searcher.strategy_state()}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Gives the searcher back what it kept."""
        self.searcher.set_strategy_state(state["searcher"])

    def reload(self) -> None:
        """Restores the search."""
        self._networks, self._ended_networks, self._read = {}, [], (0, 0)
        self._changes, self._offsets = [], (0, {})
        super().reload()

    def _searcher_of(self, searcher: "str | type[Oracle] | Oracle") -> Oracle:
        given: Any = named(searcher, SEARCHERS) if isinstance(searcher, str) else searcher
        strategy = given if isinstance(given, type) else type(given)
        # One that does more than to propose needs trials of its own.
        if (
            not issubclass(strategy, Oracle)
            or strategy.propose is Oracle.propose
            or strategy.populate_space is not Oracle.populate_space
        ):
            raise ValueError(
                f"searcher must be one of {', '.join(SEARCHERS)}, or an oracle that only proposes, "
                "or its class: a subclass of kerasnas.oracles.Oracle that defines `propose`. "
                f"Received: searcher={searcher!r}"
            )
        found: Oracle = self._make_searcher(strategy) if isinstance(given, type) else given
        own = str(found.objective)
        if len(found.objectives) > 1 or own not in (str(self.objective), _NONE):
            raise ValueError(
                "searcher must have the objective of this oracle, or none. "
                f"Received: searcher with {own}, where this oracle has {self.objective}"
            )
        if found._enqueued:
            raise ValueError(
                "warm_start must be given to this oracle, not to its searcher. "
                f"Received: searcher={searcher!r}"
            )
        return found

    def _make_searcher(self, strategy: type[Oracle]) -> Oracle:
        try:
            # What it draws comes from this oracle's generator, so its own seed is of no account.
            return strategy(objective=self.objective, max_trials=self.max_trials or 100, seed=0)
        except TypeError as error:
            raise TypeError(
                f"searcher={strategy.__name__} cannot be made of objective, max_trials and seed "
                f"alone: pass {strategy.__name__}(...) with what else it needs. {error}"
            ) from error

    def _show_searcher(self) -> None:
        """Lets the searcher see the networks as if they were its own trials."""
        searcher = self.searcher
        started, ended = self._read
        self._read = (len(self.start_order), len(self.completed))
        for name in self.start_order[started:]:
            if self.is_network(self.trials[name]):
                self._networks[name] = self.trials[name]
        went_on = False
        for trial in self.completed[ended:]:
            if self.is_network(trial):
                self._ended_networks.append(trial)
            else:
                went_on = True
            history = self.history_of(trial)
            for here, above in itertools.pairwise(sorted(history)):
                self._changes.append((here, above, history[above] - history[here]))
        searcher.hyperparameters, searcher.trials = self.hyperparameters, self._networks
        searcher.completed = self._ended_networks
        searcher.ongoing_trials = {
            tuner: trial
            for tuner, trial in self.ongoing_trials.items()
            if trial.trial_id in self._networks
        }
        searcher._admission, searcher.objectives = self._admission, self.objectives
        searcher.loss = self._full_length_loss  # type: ignore[method-assign]
        searcher.losses = lambda trial: (self._full_length_loss(trial),)  # type: ignore[method-assign]
        # Means that move with every trial would make the searcher read all trials anew each time.
        count = _few_of(len(self._changes))
        if count != self._offsets[0]:
            self._offsets = count, _offsets(self._changes[:count])
            went_on = True
        if went_on:
            searcher.forget()

    def _full_length_loss(self, trial: Trial) -> float:
        epochs, loss = max(self.losses_by_epochs(trial).items())
        return loss + self._offsets[1].get(epochs, 0.0)


def _few_of(count: int) -> int:
    """The largest number of a growing series that is at most `count`."""
    reached, following = 0, 1
    while following <= count:
        reached, following = following, max(following + 1, int(following * 1.2))
    return reached


def _offsets(changes: list[tuple[int, int, float]]) -> dict[int, float]:
    """By how much a loss changes from each rung to the last, from those who went on."""
    by_rung: dict[tuple[int, int], list[float]] = collections.defaultdict(list)
    for here, above, change in changes:
        if math.isfinite(change):
            by_rung[here, above].append(change)
    offsets: dict[int, float] = {}
    for here, above in sorted(by_rung, reverse=True):
        if here not in offsets:
            offsets[here] = float(np.mean(by_rung[here, above])) + offsets.get(above, 0.0)
    return offsets
