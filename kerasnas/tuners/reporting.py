"""Tells an oracle about every epoch of a running trial, and ends it when the oracle says so."""

import math
from collections.abc import Callable

import keras
import keras_tuner


class Reporter(keras.callbacks.Callback):
    """Reports the best value of the objective after each epoch.

    Args:
        report: Takes the number of epochs trained and the metrics by name; returns whether to stop.
        objective: The objective to report.
    """

    def __init__(
        self, report: Callable[[int, dict[str, float]], bool], objective: keras_tuner.Objective
    ) -> None:
        super().__init__()
        self._report = report
        self._objective = objective
        self._best: float | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Reports the epoch, and stops the training if the oracle says so."""
        logs = logs or {}
        if not self._objective.has_value(logs):
            return
        value = float(self._objective.get_value(logs))
        if (
            self._best is None
            or not math.isfinite(self._best)
            or self._objective.better_than(value, self._best)
        ):
            self._best = value
        if self._report(epoch + 1, {self._objective.name: self._best}):
            self.model.stop_training = True
