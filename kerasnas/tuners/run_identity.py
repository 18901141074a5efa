"""Reads and compares the files that say what a run is, and what was noted of each trial."""

import pathlib
import warnings
from typing import Any

from kerasnas.runtime import sealed

_SHOWN = 3  # How many entries of a list an error shows.


def read(path: str) -> dict[str, Any]:
    """Reads a file of a tuner. A file that cannot be read is taken for empty, with a warning.

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
    """Returns in which entry two searches differ.

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
        # One difference is enough to tell: another hypermodel has another space as well.
        return f"{name} there {_few(there)}, here {_few(here)}"
    return "of another version"


def same_seed(given: int, saved: int | None) -> int:
    """Returns the seed that the trials of a run are trained with: the one that the run began with.

    Args:
        given: The seed of this tuner.
        saved: The seed in the run's folder; None for a new run.

    Returns:
        One of the two.
    """
    if saved is None or saved == given:
        return given
    warnings.warn(
        f"The run was begun with seed={saved}, and goes on with it. Choose another `project_name` "
        f"for a search with another seed. Received: seed={given}",
        RuntimeWarning,
        stacklevel=3,
    )
    return saved


def check_data(here: dict[str, str], there: dict[str, str], folder: str) -> None:
    """Warns if the trials of a run were scored on other data than the next ones will be.

    Args:
        here: Digest of each data argument of this search.
        there: Those of the search that the run was begun with; empty if they are not known.
        folder: The run's folder.
    """
    names = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    if there and names:
        warnings.warn(
            f"The trials of the run in {folder} were trained and scored on other data: "
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not what the run was begun "
            "with. Their scores stay, and cannot be compared with those of the trials to come. "
            "Give each data set, such as each fold of a cross-validation, a `project_name` of its "
            "own, or pass `overwrite=True`",
            RuntimeWarning,
            stacklevel=3,
        )


def _few(value: Any) -> str:
    if not isinstance(value, list) or len(value) <= _SHOWN:
        return str(value)
    return f"{', '.join(map(str, value[:_SHOWN]))} and {len(value) - _SHOWN} more"
