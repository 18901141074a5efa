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

# A first rung shorter than this share of the epochs ranks networks too badly.
_LEAST_SHARE = 5


class MultiFidelityOracle(Oracle):
    """Decides how long networks are trained; which ones are, a searcher decides.

    The searcher is any strategy of one objective. It sees each network once, with what its loss
    would be at full length: the loss after its longest training, and, for each rung above, by how
    much the networks that went on to that rung changed on average.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_epochs: Epochs of a full training.
        factor: Of `factor` trials one goes on to the next rung, with `factor` times the epochs.
        min_epochs: Least epochs of the first rung. Defaults to a fifth of `max_epochs`: shorter
            trainings rank networks too badly.
        searcher: Name of the strategy that proposes networks, or its oracle.
        max_trials: As in `kerasnas.oracles.Oracle`.
        **kwargs: As there.

    Raises:
        ValueError: A number out of its range, or a searcher that cannot propose for another oracle.
    """

    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        min_epochs: int | None = None,
        searcher: "str | Oracle" = "random",
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
        # The networks, each by its first trial, that the searcher sees, and what follows from
        # them: by how much a loss changes from one rung to the end.
        self._networks: dict[str, Trial] = {}
        self._offsets: dict[int, float] = {}
        self._known = (0, 0)

    @abstractmethod
    def is_network(self, trial: Trial) -> bool:
        """Whether a trial is the first of its network, and no longer training of an earlier one."""

    @abstractmethod
    def losses_by_epochs(self, trial: Trial) -> Mapping[int, float]:
        """Losses of a network by the epochs that it was trained.

        Args:
            trial: The first trial of the network.

        Returns:
            At least one loss where the trial has completed.
        """

    @abstractmethod
    def progress(self) -> int:
        """A number that changes whenever `losses_by_epochs` may have changed."""

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
        self._networks, self._offsets, self._known = {}, {}, (0, 0)
        super().reload()

    def _searcher_of(self, searcher: "str | Oracle") -> Oracle:
        if isinstance(searcher, str):
            # What it draws comes from this oracle's generator, so its own seed is of no account.
            searcher = named(searcher, SEARCHERS)(
                objective=self.objective, max_trials=self.max_trials or 100, seed=0
            )
        # One that does more than to propose needs trials of its own.
        proposes = (
            isinstance(searcher, Oracle) and type(searcher).populate_space is Oracle.populate_space
        )
        if not proposes:
            raise ValueError(
                f"searcher must be one of {', '.join(SEARCHERS)}, or an oracle that only proposes. "
                f"Received: searcher={searcher!r}"
            )
        if len(searcher.objectives) > 1 or len(self.objectives) > 1:
            raise ValueError("searcher must search for one objective, the same as the oracle's.")
        return searcher

    def _show_searcher(self) -> None:
        """Lets the searcher see the networks as if they were its own trials."""
        searcher = self.searcher
        for name in self.start_order[self._known[0] :]:
            if self.is_network(self.trials[name]):
                self._networks[name] = self.trials[name]
        now = (len(self.start_order), self.progress())
        changed = now[1] != self._known[1]
        self._known = now
        searcher.hyperparameters = self.hyperparameters
        searcher.trials = self._networks
        searcher.start_order = list(self._networks)
        searcher.end_order = [name for name in self.end_order if name in self._networks]
        searcher.ongoing_trials = {
            tuner: trial
            for tuner, trial in self.ongoing_trials.items()
            if trial.trial_id in self._networks
        }
        searcher.completed = [t for t in self.completed if t.trial_id in self._networks]
        searcher._admission = self._admission
        searcher.loss = self._full_length_loss  # type: ignore[method-assign]
        if changed:
            self._offsets = _offsets([self.losses_by_epochs(one) for one in searcher.completed])
            searcher.forget()

    def _full_length_loss(self, trial: Trial) -> float:
        epochs, loss = max(self.losses_by_epochs(trial).items())
        return loss + self._offsets.get(epochs, 0.0)


def _offsets(histories: list[Mapping[int, float]]) -> dict[int, float]:
    """By how much a loss changes from each rung to the last, from those who went on."""
    changes: dict[tuple[int, int], list[float]] = collections.defaultdict(list)
    for history in histories:
        rungs = sorted(history)
        for here, above in itertools.pairwise(rungs):
            changes[here, above].append(history[above] - history[here])
    offsets: dict[int, float] = {}
    for here, above in sorted(changes, reverse=True):
        if here not in offsets:
            offsets[here] = float(np.mean(changes[here, above])) + offsets.get(above, 0.0)
    return offsets
