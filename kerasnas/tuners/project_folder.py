"""The folder of a run: whose run it is, and what the tuner keeps there."""

import os
import pathlib
import warnings
from typing import Any

from kerasnas.runtime import run_folder, sealed
from kerasnas.runtime.files import write_atomic
from kerasnas.tuners.data_identity import data_identity

_SHOWN = 3  # How many entries of a list an error shows.


class ProjectFolder:
    """Reads and writes the files of a run that are not the oracle's, and deletes an old run.

    The tuner's file says which hypermodel, space and objective the run has, on which data it was
    begun, and its seed. Each trial has a record of its cost and its training.

    Args:
        directory: Folder of the runs; None for the working directory.
        project_name: Folder of this run in it; None for KerasTuner's "untitled_project".
        tuner_id: Name of the tuner, and of its file; None for the one that KerasTuner gives it.
        overwrite: Whether a run that is found there is to be deleted when the search begins.

    Attributes:
        directory: Folder of the runs.
        project_name: Folder of this run in it.
        tuner_id: Name of the tuner.
        path: Path of the folder.
        identity: What the search is: its hypermodel, space, default network and objective.
        seed: The seed that the run was begun with; None where it is not known.

    Raises:
        ValueError: The folder cannot be that of a run, or holds what must not be deleted.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None,
        project_name: str | None,
        tuner_id: str | None,
        overwrite: bool,
    ) -> None:
        self.directory = directory or "."
        self.project_name = project_name or "untitled_project"
        self.tuner_id = tuner_id or os.environ.get("KERASTUNER_TUNER_ID", "tuner0")
        run_folder.check(self.directory, self.project_name, overwrite)
        self.path = os.path.join(self.directory, self.project_name)
        self._tuner_file = os.path.join(self.path, f"{self.tuner_id}.json")
        self._overwrite = overwrite
        self.identity: dict[str, Any] = {}
        self.seed: int | None = None
        # A digest of each data argument of the search that the run was begun with.
        self._data: dict[str, str] = {}
        self._written = ""

    def has_run(self) -> bool:
        """Returns whether there is a run to go on with."""
        return not self._overwrite and run_folder.has_run(self.path)

    def read(self) -> dict[str, Any]:
        """Reads the tuner's file.

        Returns:
            What a subclass of the tuner has saved there by its `get_state`.

        Raises:
            ValueError: The run is another search.
        """
        state = read_state(self._tuner_file)
        self._data, self.seed = state.pop("data", {}), state.pop("seed", None)
        identity = state.pop("identity", self.identity)
        if identity != self.identity:
            raise ValueError(
                f"The run in {self.path} is another search: {difference(identity, self.identity)}. "
                "Choose another `project_name`, or pass `overwrite=True` to delete it"
            )
        return state

    def write(self, state: dict[str, Any], seed: int) -> None:
        """Writes the tuner's file, if it would change.

        Args:
            state: What a subclass of the tuner saves there by its `get_state`.
            seed: Seed of the trainings.
        """
        ours = {"identity": self.identity, "data": self._data, "seed": seed}
        text = sealed.dumps({**state, **ours})
        if text != self._written:
            os.makedirs(self.path, exist_ok=True)
            write_atomic(self._tuner_file, text)
            self._written = text

    def clear(self) -> None:
        """Deletes the old run, the first time, where that was asked for."""
        if self._overwrite:
            run_folder.delete_run(self.directory, self.project_name)
            self._overwrite = False

    def note_data(self, args: tuple[Any, ...], kwargs: dict[str, Any], completed: bool) -> None:
        """Remembers on what data the first trials are scored; warns if that was other data.

        Args:
            args: Positional arguments of `search`.
            kwargs: Its keyword arguments.
            completed: Whether a trial of the run is completed.
        """
        here = data_identity(args, kwargs)
        if completed:
            check_data(here, self._data, self.path)
        if not completed or not self._data:
            self._data = here

    def record_of(self, trial_id: str) -> dict[str, Any]:
        """Returns what was noted when a trial was run; nothing where it was not."""
        return read_state(os.path.join(self.path, f"trial_{trial_id}", "run.json"))

    def note_trial(self, trial_id: str, record: dict[str, Any]) -> None:
        """Writes what there is to know of a trial's run: its costs, its epochs, its seconds."""
        folder = os.path.join(self.path, f"trial_{trial_id}")
        os.makedirs(folder, exist_ok=True)
        write_atomic(os.path.join(folder, "run.json"), sealed.dumps(record))


def read_state(path: str) -> dict[str, Any]:
    """Reads a file of a tuner, which need not exist.

    One that cannot be read is taken for empty, with a warning.
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
    """Returns in which entry the run in a folder and this search differ, as text for an error."""
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
