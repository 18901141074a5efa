"""The settings that a user wants to be tried before any proposal."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.proposal_filter import ProposalFilter, describe
from kerasnas.oracles.genome import Values


class Queue:
    """Holds settings that are tried first, each of them once.

    Args:
        proposal_filter: The filter, which knows what was tried and what breaks the budget.

    Attributes:
        settings: All settings that were ever queued, in order.
        done: How many of them have been taken.

    Example:

    ```python
    queue = Queue(ProposalFilter())
    queue.add({"units": 64}, space)
    queue.next(space)   # Proposal({"units": 64}, operator="enqueued")
    ```
    """

    def __init__(self, proposal_filter: ProposalFilter):
        self._filter = proposal_filter
        self.settings: list[Values] = []
        self.done = 0

    def add(self, values: Mapping[str, Any], space: keras_tuner.HyperParameters) -> None:
        """Adds a setting.

        Args:
            values: Values by name; missing ones take their defaults.
            space: The search space; while it is empty, values are not checked.

        Raises:
            ValueError: An unknown name, a value outside of the space, or a broken budget.
        """
        values = {name: genome.plain(value) for name, value in values.items()}
        trouble = self._trouble(values, space) if space.space else ""
        if trouble:
            raise ValueError(f"Cannot enqueue: {trouble}")
        if values not in self.settings:
            self.settings.append(values)

    def next(self, space: keras_tuner.HyperParameters) -> Proposal | None:
        """Returns the next setting that was not tried yet.

        Args:
            space: The search space. A setting that it does not allow is skipped with a warning.

        Returns:
            The setting as a proposal, or None where no setting is left.
        """
        while self.done < len(self.settings):
            values = self.settings[self.done]
            self.done += 1
            trouble = self._trouble(values, space)
            if trouble:
                warnings.warn(f"Skipped a queued setting: {trouble}", RuntimeWarning, stacklevel=5)
                continue
            full = genome.complete(space, values)
            if self._filter.tried.isdisjoint(self._filter.keys(full)):
                return Proposal(full, operator="enqueued")
        return None

    def restore(self, saved: Iterable[Values]) -> None:
        """Puts the settings of a saved run before those that were added since."""
        saved = list(saved)
        self.settings = saved + [values for values in self.settings if values not in saved]

    def _trouble(self, values: Values, space: keras_tuner.HyperParameters) -> str:
        """Returns why a setting cannot become a trial, or an empty string."""
        try:
            full = genome.complete(space, values)
        except ValueError as error:
            return str(error)
        violations = self._filter.violations(full)
        return f"{values} breaks the budget: {describe(violations)}" if violations else ""
