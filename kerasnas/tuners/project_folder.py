"""The folder of a run: whose run it is, and what the tuner keeps there."""

import os
from typing import Any

from kerasnas.runtime import run_folder, sealed
from kerasnas.runtime.files import write_atomic
from kerasnas.tuners import run_identity
from kerasnas.tuners.data_identity import data_identity


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
        state = run_identity.read(self._tuner_file)
        self._data, self.seed = state.pop("data", {}), state.pop("seed", None)
        identity = state.pop("identity", self.identity)
        if identity != self.identity:
            difference = run_identity.difference(identity, self.identity)
            raise ValueError(
                f"The run in {self.path} is another search: {difference}. "
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
            run_identity.check_data(here, self._data, self.path)
        if not completed or not self._data:
            self._data = here

    def record_of(self, trial_id: str) -> dict[str, Any]:
        """Returns what was noted when a trial was run; nothing where it was not."""
        return run_identity.read(self._record(trial_id))

    def note_trial(self, trial_id: str, record: dict[str, Any]) -> None:
        """Writes what there is to know of a trial's run: its costs, its epochs, its seconds."""
        path = self._record(trial_id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, sealed.dumps(record))

    def _record(self, trial_id: str) -> str:
        return os.path.join(self.path, f"trial_{trial_id}", "run.json")
