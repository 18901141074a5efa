"""Checks of the arguments of oracles and strategies."""

from typing import Any

import numpy as np


def check_share(name: str, value: Any, zero: bool = True) -> None:
    """Refuses an argument that is not a number from 0 (or above it) to 1."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1 or (value == 0 and not zero):
        least = "from 0" if zero else "above 0 and up"
        raise ValueError(f"{name} must be {least} to 1. Received: {name}={value!r}")


def check_count(name: str, value: Any, at_least: int, optional: bool = False) -> None:
    """Refuses an argument that is not an integer of at least a number (or None if optional)."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise ValueError(
            f"{name} must be an integer of at least {at_least}"
            f"{' or None' if optional else ''}. Received: {name}={value!r}"
        )
