"""The header of a run: what identifies a search in its folder."""

import json
import reprlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.oracles.engine.subclass import SubclassStrategy


def name_of(part: Strategy | Fidelity) -> str:
    """Returns the name of the oracle that belongs to a strategy or a fidelity."""
    if isinstance(part, SubclassStrategy):
        return type(part.oracle).__name__
    return f"{type(part).__name__}Oracle"


def settings_of(strategy: Strategy, fidelity: Fidelity) -> dict[str, Any]:
    """Returns the arguments that must stay the same when the search is resumed."""
    own = strategy.settings()
    try:
        # What is saved is read back as JSON, and compared.
        json.dumps(own)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name_of(strategy)}: settings() must return a dict that JSON can hold. {error}. "
            f"Received: {own!r}"
        ) from error
    if not isinstance(own, dict):
        raise TypeError(f"{name_of(strategy)}: settings() must return a dict. Received: {own!r}")
    if fidelity.trains_in_full:
        return own
    return {**fidelity.settings(), "searcher": [name_of(strategy), own]}


def check(saved: dict[str, Any] | None, here: dict[str, Any], folder: str) -> None:
    """Refuses a folder that holds another search.

    Args:
        saved: The header in the folder, or None where it cannot be read.
        here: The header of the search that is to go on.
        folder: The folder, for the message.

    Raises:
        ValueError: The two headers belong to different searches.
    """
    if saved is None:
        return
    now = json.loads(json.dumps(here))
    for part in ("oracle", "objective", "settings", "identity"):
        # KerasTuner's tuners have no identity, which may follow or precede one that has.
        if part == "identity" and not (saved[part] and now[part]):
            continue
        if saved[part] != now[part]:
            before, received = _apart(saved[part], now[part])
            told = "settings (strategy or fidelity)" if part == "settings" else part
            raise ValueError(
                f"The folder {folder} holds another search: its {told} is "
                f"{reprlib.repr(before)}. Pass overwrite=True to replace it, or another "
                f"project_name. Received: {reprlib.repr(received)}"
            )


def check_seed(saved: int, given: int | None, folder: str) -> None:
    """Warns of a seed that has no effect, since the run was begun with another one.

    Args:
        saved: Seed of the run.
        given: Seed of the search at hand, or None.
        folder: Folder of the run, for the message.
    """
    if given not in (None, saved):
        warnings.warn(
            f"The run in {folder} was begun with seed={saved}, and goes on with it. "
            "Choose another `project_name` for a search with another seed. "
            f"Received: seed={given}",
            RuntimeWarning,
            stacklevel=6,
        )


@contextmanager
def blaming_files(folder: str) -> Iterator[None]:
    """Turns errors within the block into one that names the folder with the damaged files."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"The run in {folder} cannot be read: its files are damaged, or no search has "
            "written them, or a strategy's `set_state` does not take what its `state` has "
            f"returned ({type(error).__name__}: {error}). Choose another `project_name`, "
            "or pass `overwrite=True` to delete it"
        ) from error


def _apart(before: Any, here: Any) -> tuple[Any, Any]:
    """Returns two values that differ, reduced to the entries that differ if both are dicts."""
    if not (isinstance(before, dict) and isinstance(here, dict)):
        return before, here
    names = [key for key in {**before, **here} if before.get(key) != here.get(key)]
    first, second = ({key: one[key] for key in names if key in one} for one in (before, here))
    return first, second
