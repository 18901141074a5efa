"""The folder of a run: the names that it may have, and what in it may be deleted."""

import json
import os
import pathlib
import re
import shutil
import stat

from kerasnas.runtime.files import is_leftover, remove_leftovers

# KerasTuner's own runs and ours write both of these.
JOURNAL, SNAPSHOT = "journal.jsonl", "oracle.json"
# Names of trials are numbers; KerasTuner's before version 1.1 were 32 digits of a hash.
_TRIAL = re.compile(r"trial_(\d+|[0-9a-f]{32})", re.ASCII)
_FILES_OF_TRIAL = ("trial.json", "run.json", "build_config.json", "checkpoint.weights.h5")
_TUNER = re.compile(r"(tuner\d+|chief)\.json", re.ASCII)


def check_name(project_name: str | os.PathLike[str]) -> None:
    """Raises an error if the name of a project would lead out of the directory of the runs.

    Args:
        project_name: The name, or several, as "digits/first".

    Raises:
        ValueError: It is absolute, empty, the directory itself, or goes up.
    """
    path = pathlib.PurePath(project_name)
    if not path.parts or path.anchor or ".." in path.parts or "\0" in str(path):
        raise ValueError(
            "Argument `project_name` must be the name of a folder in `directory`, such as "
            "'digits'. For a run elsewhere pass its parent folder as `directory`. "
            f"Received: project_name={os.fspath(project_name)!r}"
        )


def check(
    directory: str | os.PathLike[str], project_name: str | os.PathLike[str], overwrite: bool
) -> None:
    """Raises an error if a folder cannot be that of a run, or holds a run that must not be deleted.

    Args:
        directory: Folder of the runs; it may be a symbolic link.
        project_name: Folder of the run in it.
        overwrite: Whether a run found there is to be deleted.

    Raises:
        ValueError: The folder is a file. With `overwrite` also: a part of its name is a symbolic
            link, or it has files, none of which is a run's.
    """
    check_name(project_name)
    path = pathlib.Path(directory)
    for part in ("", *pathlib.PurePath(project_name).parts):
        path /= part
        if part and path.is_symlink() and overwrite:
            raise ValueError(
                f"{path} is a symbolic link to {os.readlink(path)}: `overwrite=True` deletes "
                "nothing that a link leads to. Remove the link, or pass the folder that it leads "
                f"to. Received: directory={os.fspath(directory)!r}, "
                f"project_name={os.fspath(project_name)!r}"
            )
        if os.path.lexists(path) and not path.is_dir():
            raise ValueError(
                f"{path} is no folder, so it cannot hold a run. Choose another. Received: "
                f"directory={os.fspath(directory)!r}, project_name={os.fspath(project_name)!r}"
            )
    if overwrite and path.is_dir() and any(path.iterdir()) and not has_run(path):
        raise ValueError(
            f"{path} holds files but no run: `overwrite=True` deletes only runs. Choose another "
            f"`project_name`, or empty the folder. Received: project_name={project_name!r}"
        )


def has_run(folder: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds anything of a run of ours or of KerasTuner.

    The folder need not exist.
    """
    return os.path.isdir(folder) and bool(_own(folder))


def tidy(folder: str | os.PathLike[str]) -> None:
    """Prepares a run to be resumed: removes the temporary files of processes that have ended.

    Args:
        folder: The folder of the run, which itself may be a link.

    Raises:
        ValueError: A symbolic link, a pipe or the like stands for one of the run's files or
            folders: it would be read from, and written to, elsewhere.
    """
    remove_leftovers(folder)
    paths = []
    for entry in _own(folder):
        if entry.is_dir(follow_symlinks=False):
            paths += [os.path.join(entry.path, name) for name in _FILES_OF_TRIAL]
            remove_leftovers(entry.path)
        else:
            paths.append(entry.path)
    for path in paths:
        if not _is_plain_or_missing(path):
            raise ValueError(
                f"{path} is no plain file, as all of a run are, but a link, a pipe or the like: "
                "the run is not resumed. Replace it by the file that it stands for, or choose "
                "another `project_name`"
            )


def delete_run(directory: str | os.PathLike[str], project_name: str | os.PathLike[str]) -> None:
    """Deletes the run in a folder and leaves everything else that is there.

    Args:
        directory: Folder of the runs.
        project_name: Folder of the run in it, which need not exist.

    Raises:
        ValueError: As `check` raises it.
        OSError: Something cannot be deleted. The journal then is still there.
    """
    check(directory, project_name, overwrite=True)
    folder = os.path.join(directory, project_name)
    for entry in _own(folder) if os.path.isdir(folder) else ():
        try:
            # A symbolic link is deleted itself, not what it points to.
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The old run in {folder} cannot be deleted ({error.strerror}). Delete it "
                "yourself, or choose another `project_name`",
                entry.path,
            ) from error


def _is_plain_or_missing(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _own(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Returns the parts of a folder that belong to a run.

    The journal is last: without it nothing can be restored, so it is deleted last.
    """
    with os.scandir(folder) as entries:
        own = [entry for entry in entries if _is_own(entry)]
    return sorted(own, key=lambda entry: (entry.name == JOURNAL, entry.name == SNAPSHOT))


def _is_own(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return _TRIAL.fullmatch(entry.name) is not None and _is_trial(entry.path)
    if entry.name in (JOURNAL, SNAPSHOT) or _TUNER.fullmatch(entry.name) or is_leftover(entry.name):
        return True
    if entry.is_symlink() and _TRIAL.fullmatch(entry.name):
        return True
    return entry.name.endswith(".json") and _is_tuner_file(entry.path)


def _is_trial(folder: str) -> bool:
    """Returns whether a folder is that of a trial, not one of the user with such a name."""
    names = os.listdir(folder)
    return not names or any(name in _FILES_OF_TRIAL or is_leftover(name) for name in names)


def _is_tuner_file(path: str) -> bool:
    """Returns whether one of our tuners wrote a file, since anybody can choose such a name."""
    try:
        content = json.loads(pathlib.Path(path).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "identity" in content
