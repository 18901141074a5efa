"""Reports a search: a line for each finished trial, and a live status on a terminal."""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.status import Status


class Progress:
    """Reports a search on standard output.

    Args:
        verbose: 0 for nothing, 1 for a line a trial, 2 beside the lines of Keras's own `fit`.
        total: Trials of the search, None if not known.
        done: Trials that an earlier run has finished.
        deadline: `time.monotonic()` at which the search will stop, None for no limit.
    """

    def __init__(self, verbose: int, total: int | None, done: int, deadline: float | None) -> None:
        self.total = total
        self.done = done
        self.deadline = deadline
        self._ended = 0
        self._started = time.monotonic()
        self._trial_started = self._started
        self._console = Console(
            file=sys.stdout, quiet=not verbose, highlight=False, markup=False, soft_wrap=True
        )
        # Keras's own lines and a live status would overwrite each other.
        live = verbose == 1 and self._console.is_terminal
        self._status: Status | None = self._console.status("") if live else None

    def say(self, text: str) -> None:
        """Prints one line."""
        self._console.print(text)

    def begin_trial(self, trial_id: str) -> None:
        """Shows that a trial has started."""
        self._trial_started = time.monotonic()
        if self._status is not None:
            self._status.update(f"{self._count(self.done + 1)}  trial {trial_id} is running")
            self._status.start()

    def end_trial(
        self,
        trial_id: str,
        outcome: dict[str, float] | str,
        best: str,
        turned_away: int,
        repaired: int = 0,
    ) -> None:
        """Prints the line of a finished trial.

        Args:
            trial_id: The trial.
            outcome: What it reached in each objective, or the reason why it failed.
            best: What is best so far, or nothing.
            turned_away: Settings that broke the budget so far, each once a trial at most.
            repaired: Trials so far that are such proposals, changed until they met it.
        """
        now = time.monotonic()
        self.done += 1
        self._ended += 1
        columns = [self._count(self.done), f"trial {trial_id}"]
        if isinstance(outcome, str):
            columns.append(f"failed: {outcome}")
        else:
            columns += [f"{name} {_number(value)}" for name, value in outcome.items()]
        if best:
            columns.append(best)
        if turned_away:
            columns.append(
                f"turned away {turned_away}" + (f", repaired {repaired}" if repaired else "")
            )
        columns.append(f"took {format_seconds(now - self._trial_started)}")
        left = self._time_left(now)
        if left is not None:
            columns.append(f"left {format_seconds(left)}")
        self.say("  ".join(columns))

    def close(self) -> None:
        """Removes the live status."""
        if self._status is not None:
            self._status.stop()

    def _count(self, number: int) -> str:
        return f"{number:>{len(str(self.total))}}/{self.total}" if self.total else f"{number}"

    def _time_left(self, now: float) -> float | None:
        limits = []
        if self.total:
            a_trial = (now - self._started) / self._ended
            limits.append(a_trial * max(self.total - self.done, 0))
        if self.deadline is not None:
            limits.append(max(self.deadline - now, 0.0))
        return min(limits, default=None)


def format_seconds(seconds: float) -> str:
    """Returns a duration as text, in its two largest units.

    Args:
        seconds: Duration in seconds.

    Returns:
        Text such as "0.4s", "12s", "3m 20s", "2h 05m", "1d 03h".

    Example:

    >>> format_seconds(200)
    '3m 20s'
    """
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def _number(value: float) -> str:
    """A number as text: costs, which are whole numbers, without decimals, scores with four."""
    return f"{value:.0f}" if value.is_integer() and abs(value) > 1 else f"{value:.4f}"


def reason(message: Any) -> str:
    """Returns the first line of a failed trial's message."""
    lines = str(message or "").strip().splitlines()
    return lines[0] if lines else "no reason was given"


@contextlib.contextmanager
def quiet_tracing() -> Iterator[None]:
    """Drops TensorFlow's warning that it traces often: each trial is another model to trace."""

    def keep(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
