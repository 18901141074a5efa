"""Greedy search over the parts of the network: coordinate descent, and growth from the smallest."""

from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal
from kerasnas.oracles.genome import growth
from kerasnas.oracles.hill_climbing import Change, HillClimbing, changes_of
from kerasnas.runtime.arguments import check_integer


class Greedy(HillClimbing):
    """Improves one part of the network at a time, and starts anew when no change helps.

    An episode begins with random settings. Then the best of the episode is changed in one decision
    of one part (`genome.parts`: a block with all that belongs to it), until that part has no
    untried change; then comes the next part. Any improvement is taken at once. When no part has an
    untried change left, the setting is a local optimum, and the next episode begins.

    With `grow=True` it starts from the smallest network instead, tries some of the changes that
    enlarge it, goes on from the best of them, and so on until none of a whole round improves; then
    the descent above takes over. Where the smallest network does not build, the networks one change
    larger are tried instead.

    Args:
        initial_samples: How many random settings begin the first episode. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.
        grow: Whether to start from the smallest network and to enlarge it.
        extensions: How many enlargements are tried in a round of growth. Defaults to a tenth of
            `max_trials`, at least 3 and at most 10.

    Raises:
        ValueError: `initial_samples` or `extensions` is not positive.

    Source:
        White et al. 2021, arXiv:2005.02960 (local search); the walk over parts follows the greedy
        strategy of AutoKeras, arXiv:1806.10282; growth by the best of a few extensions that of
        model_search, Mazzawi et al. 2019, Interspeech, doi:10.21437/Interspeech.2019-1916.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.GreedyOracle("val_accuracy", max_trials=50, seed=0)
    """

    def __init__(
        self,
        initial_samples: int | None = None,
        grow: bool = False,
        extensions: int | None = None,
    ):
        super().__init__(initial_samples)
        check_integer("extensions", extensions, least=1, optional=True)
        self.grow = grow
        self.extensions = extensions
        # The parts in the order of the walk, and the one that was changed last.
        self._parts: list[str] = []
        self._part: str | None = None
        # Growth: the trial that is enlarged, and how many trials had started and completed before.
        self._growing = grow
        self._grown: tuple[str | None, int, int] = (None, 0, 0)

    def settings(self) -> dict[str, Any]:
        """Returns whether the search starts with growth."""
        return {"grow": self.grow}

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Enlarges the network while that helps, then walks its parts."""
        if self._growing:
            extension = self._extend(history, rng)
            if extension is not None:
                return extension
            self._growing = False
        before = self._first_end
        proposal = super().propose(history, rng)
        if self._first_end != before:
            self._parts, self._part = [], None
        elif proposal.operator == "step" and self._at is not None:
            name, _ = self._changes[1][self._step - 1]
            self._part = _part_of(history)[name]
        return proposal

    def begin_walk(self, history: History, rng: np.random.Generator) -> None:
        """Puts the part that was changed last before all others."""
        names = list(dict.fromkeys(_part_of(history).values()))
        new = [part for part in names if part not in self._parts]
        self._parts = [part for part in self._parts if part in names]
        self._parts += [new[number] for number in rng.permutation(len(new))]
        if self._part in self._parts:
            here = self._parts.index(self._part)
            self._parts = self._parts[here:] + self._parts[:here]

    def order_of_changes(
        self, history: History, place: Trial, rng: np.random.Generator
    ) -> list[Change]:
        """Returns all changes, part after part, those within a part in random order."""
        part_of = _part_of(history)
        rank = {part: number for number, part in enumerate(self._parts)}
        changes = changes_of(history, place)
        shuffled = [changes[number] for number in rng.permutation(len(changes))]
        return sorted(shuffled, key=lambda change: rank.get(part_of[change[0]], len(rank)))

    def state(self) -> dict[str, Any]:
        """Returns the position of the walk and of the growth."""
        return {
            **super().state(),
            "parts": list(self._parts),
            "part": self._part,
            "growing": self._growing,
            "grown": list(self._grown),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the position of the walk and of the growth."""
        super().set_state(state)
        self._parts, self._part = list(state["parts"]), state["part"]
        self._growing = state["growing"]
        trial, started, ended = state["grown"]
        self._grown = (trial, started, ended)

    def _extend(self, history: History, rng: np.random.Generator) -> Proposal | None:
        """Returns another enlargement of the network; None after a round without success."""
        smallest = growth.smallest(history.space)
        if not history.trials and not history.ruled_out(smallest):
            return Proposal(smallest, operator="smallest")
        if not history.completed:
            return _enlarged(history, smallest, None, rng)
        extensions = self.extensions or history.share_of_trials(10, 3, 10)
        while True:
            name, started, ended = self._grown
            place = None if name is None else history.trials[name]
            if place is not None and len(history.trials) - started < extensions:
                extension = _enlarged(history, place.hyperparameters.values, name, rng)
                if extension is not None:
                    return extension
            if history.running:
                # The round is not over yet, so its best network so far is enlarged.
                best = min(history.completed, key=history.loss)
                return _enlarged(history, best.hyperparameters.values, best.trial_id, rng)
            best_new = min(history.completed[ended:], key=history.loss, default=None)
            if best_new is None:
                return None
            if place is not None and history.loss(best_new) >= history.loss(place):
                return None
            self._grown = (best_new.trial_id, len(history.trials), len(history.completed))


def _part_of(history: History) -> dict[str, str]:
    groups = genome.parts(history.space)
    return {name: part for part, names in groups.items() for name in names}


def _enlarged(
    history: History, values: genome.Values, root: str | None, rng: np.random.Generator
) -> Proposal | None:
    for larger in growth.enlargements(history.space, values, rng):
        if not history.ruled_out(larger):
            return Proposal(larger, () if root is None else (root,), "extension")
    return None
