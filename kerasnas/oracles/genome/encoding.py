"""Settings as vectors of one length, for models that predict scores from them."""

import math
from collections.abc import Iterable, Mapping

import keras_tuner
import numpy as np

from kerasnas.oracles.genome.decision import Decision, Value, plan_of

# The distance between the codes of two different values of an unordered decision.
_RANGE = math.sqrt(2.0)
# Ordered decisions with at most so many values also have a column for each value, because kernels
# 3, 5 and 7 can differ by more than their order says.
_FEW = 4


class Encoding:
    """Encodes the settings of a space, conditional ones included.

    An unordered decision has one column for each value, which is 1 for its value and else 0. An
    ordered decision has a column that is 1 where it is active, and one with its position on its
    range, from 0 to the square root of 2. All columns of an inactive decision are 0.

    Args:
        space: The search space; hyperparameters that it gains later are not encoded.

    Example:

    ```python
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool"])
    Encoding(hp).encode([{"op": "pool"}])   # [[0.0, 1.0]]
    ```
    """

    def __init__(self, space: keras_tuner.HyperParameters):
        self._columns: list[tuple[str, int, list[Decision]]] = []
        width = 0
        for name, decisions in plan_of(space):
            self._columns.append((name, width, decisions))
            width += sum(_width(decision) for decision in decisions)
        self.width = width
        # Where each decision's columns begin.
        self.starts = [start for _, start, _ in self._columns]

    def encode(self, settings: Iterable[Mapping[str, Value]]) -> np.ndarray:
        """Encodes settings.

        Args:
            settings: Settings of the space, each with its active values.

        Returns:
            Array of shape (settings, width).
        """
        rows = [self._row(values) for values in settings]
        return np.array(rows).reshape(len(rows), self.width)

    def _row(self, values: Mapping[str, Value]) -> np.ndarray:
        row = np.zeros(self.width)
        for name, start, decisions in self._columns:
            if name not in values:
                continue
            for decision in decisions:
                if len(decisions) == 1 or decision.is_active(values):
                    _write(row, start, decision, values[name])
                    break
                start += _width(decision)
        return row


def _width(decision: Decision) -> int:
    if decision.domain is None:
        return 2
    if decision.ordered:
        return 2 + (len(decision.domain) if len(decision.domain) <= _FEW else 0)
    return len(decision.domain)


def _write(row: np.ndarray, start: int, decision: Decision, value: Value) -> None:
    if decision.ordered:
        row[start] = 1.0
        row[start + 1] = _RANGE * decision.position(value)
        start += 2
        if decision.domain is None or len(decision.domain) > _FEW:
            return
    place = decision.index(value)
    if place is not None:
        row[start + place] = 1.0
