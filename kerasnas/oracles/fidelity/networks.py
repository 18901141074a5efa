"""What trials of different lengths say of their networks, as a strategy sees it."""

import collections
import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials


class Networks:
    """Shows each network once, with what its loss would be at full length.

    That is the loss after its longest training and, for each rung above, by how much the networks
    that went on to that rung changed on average.

    Args:
        history: All trials of the search.
        is_network: Callable from a trial to whether it is the first of its network, and no longer
            training of an earlier one.
        losses_by_epochs: Callable from the first trial of a network, which has completed, to its
            losses by the epochs that it was trained; at least one.
        new_losses: Callable from any completed trial to the losses by epochs that it adds to the
            knowledge of how losses change.
    """

    def __init__(
        self,
        history: History,
        is_network: Callable[[Trial], bool],
        losses_by_epochs: Callable[[Trial], Mapping[int, float]],
        new_losses: Callable[[Trial], Mapping[int, float]],
    ):
        self._history = history
        self._is_network = is_network
        self._losses_by_epochs, self._new_losses = losses_by_epochs, new_losses
        self._trials = Trials()
        ranking = Ranking(history.objectives, losses=lambda trial: (self._full_length_loss(trial),))
        self._view = history.showing(self._trials, ranking)
        # How many starts and ends were read, changes of losses from one rung to the next in the
        # order in which they came about, and what they say of a loss at a rung.
        self._read = (0, 0)
        self._changes: list[tuple[int, int, float]] = []
        self._offsets: tuple[int, dict[int, float]] = (0, {})

    def view(self) -> History:
        """Returns the view, up to date; its revision tells whether earlier losses have changed."""
        started, ended = self._read
        self._read = (len(self._history.started), len(self._history.ended))
        for trial in self._history.started[started:]:
            if self._is_network(trial):
                self._trials.begin(trial)
        changed = False
        for trial in self._history.ended[ended:]:
            if self._is_network(trial):
                self._trials.end(trial)
            elif trial.status == "COMPLETED":
                changed = True
            if trial.status == "COMPLETED":
                losses = self._new_losses(trial)
                for here, above in itertools.pairwise(sorted(losses)):
                    self._changes.append((here, above, losses[above] - losses[here]))
        # Means that move with every trial would make a strategy read all trials anew each time.
        count = _few_of(len(self._changes))
        if count != self._offsets[0]:
            self._offsets = count, _offsets(self._changes[:count])
            changed = True
        self._view.revision += changed
        return self._view

    def _full_length_loss(self, trial: Trial) -> float:
        epochs, loss = max(self._losses_by_epochs(trial).items())
        return loss + self._offsets[1].get(epochs, 0.0)


def _few_of(count: int) -> int:
    """Returns the largest number of a growing series that is at most `count`."""
    reached, following = 0, 1
    while following <= count:
        reached, following = following, max(following + 1, int(following * 1.2))
    return reached


def _offsets(changes: list[tuple[int, int, float]]) -> dict[int, float]:
    """Returns by how much a loss changes from each rung to the last, from those who went on."""
    by_rung: dict[tuple[int, int], list[float]] = collections.defaultdict(list)
    for here, above, change in changes:
        if math.isfinite(change):
            by_rung[here, above].append(change)
    offsets: dict[int, float] = {}
    for here, above in sorted(by_rung, reverse=True):
        if here not in offsets:
            offsets[here] = float(np.mean(by_rung[here, above])) + offsets.get(above, 0.0)
    return offsets
