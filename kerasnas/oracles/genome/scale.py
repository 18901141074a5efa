"""Where a number stands on its range, under the prior that it was declared with."""

import functools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The range of a number as equal steps of its prior: linear, logarithmic, or that reversed.

    Args:
        low: Least value of the declared range.
        high: Largest value of the declared range.
        sampling: `linear`, `log` or `reverse_log`, as in KerasTuner.
        first: The least value that can be reached: with a step, `low` or `high` need not be.
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
        """From 0 for the least value to 1 for the largest; values beyond stand at the ends."""
        if value <= self.first:
            return 0.0
        if value >= self.last:
            return 1.0
        start, span = self._ends
        return (self._warp(value) - start) / span

    def value(self, position: float) -> float:
        """The number at a position from 0 to 1."""
        start, span = self._ends
        here = start + position * span
        if self.sampling == "log":
            here = math.exp(here)
        elif self.sampling == "reverse_log":
            here = self.high + self.low - math.exp(-here)
        return min(max(here, self.first), self.last)

    # Asked for a hundred times a proposal.
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
