"""The tuner's own files in a run's folder: what the run is, and what it noted of each trial."""

import pathlib
import warnings
from typing import Any

from kerasnas.utils import sealed

_SHOWN = 3  # Entries of a list in an error.


def read(path: str) -> dict[str, Any]:
    """Read a tuner's file; one that cannot be read is named in a warning and counts as empty.

    Args:
        path: Path of the file, which need not exist.

    Returns:
        What it holds.
    """
    try:
        state = sealed.loads(pathlib.Path(path).read_bytes())
        if not isinstance(state.get("identity", {}), dict):
            raise ValueError("its identity is no object")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        warnings.warn(
            f"The tuner's file {path} cannot be read ({error}); going on without it", stacklevel=2
        )
        return {}
    return state


def difference(theirs: dict[str, Any], mine: dict[str, Any]) -> str:
    """Say in which entry two searches differ.

    Args:
        theirs: What the run in the folder is.
        mine: What this search is.

    Returns:
        Text for an error.
    """
    for name, here in mine.items():
        there = theirs.get(name)
        if there == here:
            continue
        if isinstance(here, list) and isinstance(there, list):
            there, here = sorted({*there} - {*here}), sorted({*here} - {*there})
        # The first says enough: another hypermodel has another space as well.
        return f"{name} there {_few(there)}, here {_few(here)}"
    return "of another version"


def _few(value: Any) -> str:
    if not isinstance(value, list) or len(value) <= _SHOWN:
        return str(value)
    return f"{', '.join(map(str, value[:_SHOWN]))} and {len(value) - _SHOWN} more"
