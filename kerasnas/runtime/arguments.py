"""Checks of arguments, with one form of message: what it must be, and what was received."""

import math
import numbers
from collections.abc import Sequence
from typing import Any


class ArgumentTypeError(TypeError, ValueError):
    """An argument is of the wrong type.

    A TypeError, as Python has it, and a ValueError, so that one `except` catches every argument
    that is wrong.
    """


def check_integer(
    name: str,
    value: Any,
    *,
    least: int | None = None,
    most: int | None = None,
    optional: bool = False,
    hint: str = "",
) -> None:
    """Refuses what is no integer, or out of range. Numpy's integers are integers, booleans are not.

    Args:
        name: Name of the argument, as the caller knows it.
        value: What was given.
        least: Smallest value allowed.
        most: Largest value allowed.
        optional: Whether None is allowed, too.
        hint: Ends the sentence that says what is allowed, such as `", such as 64"`.

    Raises:
        ArgumentTypeError: It is no integer.
        ValueError: It is out of range.

    Example:

    >>> from kerasnas.runtime.arguments import check_integer
    >>> check_integer("threads", 0, least=1)
    Traceback (most recent call last):
    ValueError: Argument `threads` must be an integer of at least 1. Received: threads=0
    """
    _check(numbers.Integral, name, value, "an integer", least, most, None, optional, hint)


def check_number(
    name: str,
    value: Any,
    *,
    what: str = "a number",
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    optional: bool = False,
    hint: str = "",
) -> None:
    """Refuses what is no finite number, or out of range. Booleans are no numbers.

    Args:
        name: Name of the argument, as the caller knows it.
        value: What was given.
        what: What it is a number of, such as `"a number of seconds"`.
        least: Smallest value allowed.
        most: Largest value allowed.
        above: Largest value not allowed, in the place of `least`.
        optional: Whether None is allowed, too.
        hint: Ends the sentence that says what is allowed, such as `", such as 64"`.

    Raises:
        ArgumentTypeError: It is no number.
        ValueError: It is out of range, infinite or not a number.

    Example:

    >>> from kerasnas.runtime.arguments import check_number
    >>> check_number("keep", 1.5, above=0, most=1)
    Traceback (most recent call last):
    ValueError: Argument `keep` must be a number above 0 and at most 1. Received: keep=1.5
    """
    _check(numbers.Real, name, value, what, least, most, above, optional, hint)


def check_sizes(name: str, value: Any) -> tuple[int, ...]:
    """Returns the sizes of one sample as a tuple, if all are positive.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        ValueError: There are none, or one is no positive integer.
    """
    sizes = tuple(value)
    if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(
            f"Argument `{name}` must be the positive sizes of one sample, without the batch. "
            f"Received: {name}={value!r}"
        )
    return sizes


def check_choice(
    name: str, value: Any, choices: Sequence[Any], *, optional: bool = False, hint: str = ""
) -> None:
    """Refuses what is not among some values.

    Args:
        name: Name of the argument, as the caller knows it.
        value: What was given.
        choices: The values allowed.
        optional: Whether None is allowed, too.
        hint: Ends the sentence that says what is allowed.

    Raises:
        ValueError: It is another.

    Example:

    >>> from kerasnas.runtime.arguments import check_choice
    >>> check_choice("target", "phone", ["litert", "micro"])
    Traceback (most recent call last):
    ValueError: Argument `target` must be 'litert' or 'micro'. Received: target='phone'
    """
    allowed = (*choices, None) if optional else choices
    if value not in allowed:
        *first, last = map(repr, allowed)
        named = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(f"Argument `{name}` must be {named}{hint}. Received: {name}={value!r}")


def _check(
    kind: type[Any],
    name: str,
    value: Any,
    what: str,
    least: float | None,
    most: float | None,
    above: float | None,
    optional: bool,
    hint: str,
) -> None:
    if value is None and optional:
        return
    if least is not None and most is not None:
        span = f" from {least} to {most}"
    elif above is not None:
        span = f" above {above}" + ("" if most is None else f" and at most {most}")
    elif least is not None:
        span = f" of at least {least}"
    else:
        span = "" if most is None else f" of at most {most}"
    none = ", or None" if optional else ""
    said = f"Argument `{name}` must be {what}{span}{hint}{none}. Received: {name}={value!r}"
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ArgumentTypeError(said)
    fits = (
        math.isfinite(value)
        and (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
    )
    if not fits:
        raise ValueError(said)
