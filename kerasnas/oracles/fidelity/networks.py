"""The view of a search whose trials train for different numbers of epochs."""

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
    """Shows each network once, with an estimate of its loss after a full training.

    The estimate is the loss after the longest training of the network, plus, for each longer rung,
    the mean change of the losses of the networks that have reached that rung.

    Args:
        history: All trials of the search.
        is_network: Callable that returns whether a trial is the first one of its network, and does
            not continue an earlier trial.
        losses_by_epochs: Callable from the completed first trial of a network to the losses of the
            network, at least one, by the number of epochs.
        new_losses: Callable from any completed trial to losses of its network by epochs, from which
            the changes between rungs are taken.
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
        # How many starts and ends were read; changes of losses from one rung to the next, in order;
        # and how many of these the current estimates use, with the offset of each rung.
        self._read = (0, 0)
        self._changes: list[tuple[int, int, float]] = []
        self._offsets: tuple[int, dict[int, float]] = (0, {})

    def view(self) -> History:
        """Returns the view with all trials so far; a new revision means that old losses changed."""
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
        # The means are updated seldom, because a strategy reads all trials again when they change.
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
    """Returns the mean change of a loss from each rung to the last one."""
    by_rung: dict[tuple[int, int], list[float]] = collections.defaultdict(list)
    for here, above, change in changes:
        if math.isfinite(change):
            by_rung[here, above].append(change)
    offsets: dict[int, float] = {}
    for here, above in sorted(by_rung, reverse=True):
        if here not in offsets:
            offsets[here] = float(np.mean(by_rung[here, above])) + offsets.get(above, 0.0)
    return offsets
