"""Hard limits of a device, in units that people write."""

import dataclasses
import numbers
import re
from typing import NamedTuple

from kerasnas.hardware.profile import Profile

_UNITS = {"": 1, "B": 1, "KB": 1024, "KIB": 1024, "MB": 1024**2, "MIB": 1024**2}
_COUNTS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")

# Name of each limit, and the attribute of a profile that it bounds.
LIMITS = {"params": "params", "macs": "macs", "flash": "flash_bytes", "ram": "ram_bytes"}


class Violation(NamedTuple):
    """A cost that is above its limit, both in the limit's unit."""

    value: int
    limit: int

    @property
    def excess(self) -> float:
        """By how much of the limit it is above: 0.25 for a quarter too much."""
        return self.value / self.limit - 1


def _parse(name: str, value: int | float | str | None, units: dict[str, int]) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        scale = units.get(match[2].upper()) if match else None
        if match is None or scale is None:
            examples = '65536, "64KB", "1.5MB"' if units is _UNITS else '200000, "200K", "1.5M"'
            raise ValueError(
                f"Argument `{name}` must be a positive number or a number with a unit, "
                f"such as {examples}. Received: {name}={value!r}"
            )
        number = float(match[1]) * scale
    elif isinstance(value, bool) or not isinstance(value, numbers.Real):  # numpy's too
        raise TypeError(
            f"Argument `{name}` must be a number or a string. Received: {name}={value!r} "
            f"of type {type(value).__name__}"
        )
    else:
        number = float(value)
    if not 1 <= number < float("inf"):
        raise ValueError(f"Argument `{name}` must be at least 1. Received: {name}={value!r}")
    return int(number)


@dataclasses.dataclass(frozen=True, init=False)
class Budget:
    """Limits that no model of a search may exceed; None leaves a cost unlimited.

    Args:
        params: Number of weights, an integer or a string such as "50K" (1K = 1000).
        macs: Multiply-accumulates of one inference, an integer or a string such as "2.5M".
        flash: Size of the int8 `.tflite` file in bytes, or a string such as "64KB"
            (KB = 1024 bytes, MB = 1024 KB).
        ram: Tensor arena in bytes, or a string such as "32KB".
        latency_ms: Not measured by this version; anything but None is an error.

    Raises:
        ValueError: A limit that is not positive or whose unit is unknown.

    Example:

    >>> import kerasnas as kn
    >>> kn.Budget(flash="64KB", ram="32KB").flash
    65536
    """

    params: int | None
    macs: int | None
    flash: int | None
    ram: int | None

    def __init__(
        self,
        params: int | str | None = None,
        macs: int | str | None = None,
        flash: int | str | None = None,
        ram: int | str | None = None,
        latency_ms: float | None = None,
    ) -> None:
        if latency_ms is not None:
            raise ValueError(
                "Argument `latency_ms` needs a latency model, which this version does not have; "
                f"limit `macs` instead. Received: latency_ms={latency_ms!r}"
            )
        for name, value, units in (
            ("params", params, _COUNTS),
            ("macs", macs, _COUNTS),
            ("flash", flash, _UNITS),
            ("ram", ram, _UNITS),
        ):
            object.__setattr__(self, name, _parse(name, value, units))

    def violations(self, profile: Profile) -> dict[str, Violation]:
        """Compare a profile with the limits.

        Args:
            profile: The cost of a network.

        Returns:
            For each limit that is exceeded, its name and a `Violation`; empty when all is met.
        """
        found = {}
        for name, attribute in LIMITS.items():
            limit, value = getattr(self, name), getattr(profile, attribute)
            if limit is not None and value > limit:
                found[name] = Violation(value, limit)
        return found

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in LIMITS)
