"""Marks public names that may still change, and those that are going to leave.

What the marks promise is on the page `docs/stability.md`.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

Marked = TypeVar("Marked", bound=Callable[..., Any])


def experimental(since: str) -> Callable[[Marked], Marked]:
    """Marks a function or class that may change in any version.

    Its docstring says so, and its first use in a process is a `FutureWarning`.

    Args:
        since: Version in which it came, such as `"0.2.0"`.

    Returns:
        A decorator of functions and classes.

    Example:

    >>> from kerasnas.runtime.stability import experimental
    >>> @experimental(since="0.2.0")
    ... def double(x):
    ...     '''Returns twice the number.'''
    ...     return 2 * x
    >>> print(double.__doc__)
    Returns twice the number.
    <BLANKLINE>
    Experimental since version 0.2.0: it may change in any version.
    """
    note = f"Experimental since version {since}: it may change in any version."
    return _marks(note, FutureWarning)


def deprecated(since: str, removed_in: str, use: str) -> Callable[[Marked], Marked]:
    """Marks a function or class that will leave.

    Its docstring says so, and its first use in a process is a `DeprecationWarning`.

    Args:
        since: Version that deprecated it, such as `"0.2.0"`.
        removed_in: Version that will not have it, at least one minor version later.
        use: What to write now, as code.

    Returns:
        A decorator of functions and classes.

    Example:

    >>> from kerasnas.runtime.stability import deprecated
    >>> @deprecated(since="0.2.0", removed_in="0.3.0", use="x.tripled()")
    ... def triple(x):
    ...     '''Returns three times the number.'''
    ...     return 3 * x
    >>> print(triple.__doc__)
    Returns three times the number.
    <BLANKLINE>
    Deprecated since version 0.2.0, removed in 0.3.0: use `x.tripled()`.
    """
    note = f"Deprecated since version {since}, removed in {removed_in}: use `{use}`."
    return _marks(note, DeprecationWarning)


def _marks(note: str, category: type[Warning]) -> Callable[[Marked], Marked]:
    def mark(marked: Marked) -> Marked:
        result: Any = marked
        if inspect.isclass(marked):
            result.__init__ = _warning(result.__init__, marked.__qualname__, note, category)
        else:
            result = _warning(marked, marked.__qualname__, note, category)
        summary, *rest = inspect.cleandoc(marked.__doc__ or "").split("\n\n", 1)
        result.__doc__ = "\n\n".join([summary, note, *rest])
        return cast(Marked, result)

    return mark


def _warning(
    function: Callable[..., Any], name: str, note: str, category: type[Warning]
) -> Callable[..., Any]:
    """Returns the function, which warns at the place of its first call."""
    told = False

    @functools.wraps(function)
    def warns(*args: Any, **kwargs: Any) -> Any:
        nonlocal told
        if not told:
            told = True
            warnings.warn(f"{name}: {note}", category, stacklevel=2)
        return function(*args, **kwargs)

    return warns
