"""Amounts in units that people write."""

import numbers
import re
from collections.abc import Mapping

BYTES = {"": 1, "B": 1} | {
    prefix + rest: 1024**power for power, prefix in enumerate("KMG", 1) for rest in ("", "B", "IB")
}
COUNTS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
MILLISECONDS = {"": 1, "US": 1e-3, "MS": 1, "S": 1e3}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_EXAMPLES = {
    id(BYTES): '65536, "64KB", "1.5MB"',
    id(COUNTS): '200000, "200K", "1.5M"',
    id(MILLISECONDS): '20, "20ms", "1.5s"',
}


def parse(
    name: str, value: int | float | str, units: Mapping[str, float], zero: bool = False
) -> float:
    """Reads an amount.

    Args:
        name: Name of the argument, for the error.
        value: A number, or a string of a number and a unit.
        units: How much each unit is, in capitals: `BYTES`, `COUNTS` or `MILLISECONDS`.
        zero: Whether 0 is an amount, too.

    Returns:
        The amount in the unit without a name: bytes, ones or milliseconds.

    Raises:
        ValueError: A string that is no amount, or an amount that is negative, infinite, or 0
            unless `zero`.
        TypeError: Neither a number nor a string.

    Example:

    >>> from kerasnas.hardware.units import BYTES, parse
    >>> parse("flash", "64KB", BYTES)
    65536.0
    """
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        scale = units.get(match[2].upper()) if match else None
        if match is None or scale is None:
            raise ValueError(
                f"Argument `{name}` must be a positive number or a number with a unit, "
                f"such as {_EXAMPLES[id(units)]}. Received: {name}={value!r}"
            )
        number = float(match[1]) * scale
    elif isinstance(value, bool) or not isinstance(value, numbers.Real):  # numpy's too
        raise TypeError(
            f"Argument `{name}` must be a number or a string. Received: {name}={value!r} "
            f"of type {type(value).__name__}"
        )
    else:
        number = float(value)
    if not (0 < number < float("inf") or (zero and number == 0)):
        least = "at least 0" if zero else "above 0"
        raise ValueError(
            f"Argument `{name}` must be {least} and finite. Received: {name}={value!r}"
        )
    return number
