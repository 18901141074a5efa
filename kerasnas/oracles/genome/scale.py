"""The position of a number on its range, under the prior that it was declared with."""

import functools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps a number to its position, from 0 to 1, on the range that it was declared with.

    Positions are even under the prior of the number: linear, logarithmic or reversed logarithmic.

    Args:
        low: Least value of the declared range.
        high: Largest value of the declared range.
        sampling: `linear`, `log` or `reverse_log`, as in KerasTuner.
        first: The least value that can be reached, which depends on the step.
        last: The largest value that can be reached.

    Example:

    ```python
    Scale(1, 10_000, "log", 1, 10_000).position(100)   # 0.5
    ```
    """

    low: float
    high: float
    sampling: str
    first: float
    last: float

    def position(self, value: float) -> float:
        """Returns the position of a value: 0 at `first` and below, 1 at `last` and above."""
        if value <= self.first:
            return 0.0
        if value >= self.last:
            return 1.0
        start, span = self._ends
        return (self._warp(value) - start) / span

    def value(self, position: float) -> float:
        """Returns the number at a position from 0 to 1."""
        start, span = self._ends
        here = start + position * span
        if self.sampling == "log":
            here = math.exp(here)
        elif self.sampling == "reverse_log":
            here = self.high + self.low - math.exp(-here)
        return min(max(here, self.first), self.last)

    # Kept because one proposal needs it about a hundred times.
    @functools.cached_property
    def _ends(self) -> tuple[float, float]:
        start = self._warp(self.first)
        return start, self._warp(self.last) - start

    def _warp(self, value: float) -> float:
        if self.sampling == "log":
            return math.log(value)
        if self.sampling == "reverse_log":
            return -math.log(self.high + self.low - value)
        return float(value)
