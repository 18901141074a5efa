"""Sets of channels that must be removed together."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

# One number for each channel of a tensor or axis; equal numbers are removed together.
Labels: TypeAlias = np.ndarray


class Channels:
    """Disjoint sets of channels, some of which must stay, with the reason.

    Each channel that a layer makes is a set of its own until two of them meet, such as in an Add.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._reasons: dict[int, str] = {}
        self._made: dict[int, Labels] = {}

    def __len__(self) -> int:
        return len(self._parent)

    def new(self, number: int) -> Labels:
        """Returns the labels of new channels."""
        first = len(self._parent)
        self._parent.extend(range(first, first + number))
        return np.arange(first, first + number)

    def made_by(self, layer: object, number: int) -> Labels:
        """Returns the labels of what a layer makes: the same wherever a shared layer is called."""
        if id(layer) not in self._made:
            self._made[id(layer)] = self.new(number)
        return self._made[id(layer)]

    def join(self, several: Iterable[Labels]) -> Labels:
        """Makes channels of equal position one, and returns the first labels."""
        first, *others = several
        for other in others:
            for a, b in zip(first.tolist(), other.tolist(), strict=True):
                a, b = self._root(a), self._root(b)
                if a == b:
                    continue
                self._parent[b] = a
                if b in self._reasons:
                    self._reasons.setdefault(a, self._reasons.pop(b))
        return first

    def stay(self, labels: Labels, reason: str) -> None:
        """Says that channels must not be removed.

        Args:
            labels: Which.
            reason: Why, as the end of a sentence about the layer that makes them.
        """
        for label in labels.tolist():
            self._reasons.setdefault(self._root(label), reason)

    def reason(self, labels: Labels) -> str | None:
        """Returns why one of these channels must stay; None if all may go."""
        found = (self._reasons.get(self._root(label)) for label in labels.tolist())
        return next((reason for reason in found if reason is not None), None)

    def roots(self) -> Labels:
        """Returns for each label the label that stands for its set."""
        return np.array([self._root(label) for label in range(len(self))], int)

    def removable(self) -> np.ndarray:
        """Returns the labels that stand for a set that may go."""
        roots = np.unique(self.roots())
        return np.array([root for root in roots.tolist() if root not in self._reasons], int)

    def _root(self, label: int) -> int:
        parent = self._parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label
