"""A folder that is written whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

MANIFEST = "manifest.json"


def write_folder(folder: str | os.PathLike[str], fill: Callable[[Path], None]) -> Path:
    """Writes a folder beside its place, and renames it when all of it is on the disk.

    An existing folder is replaced. It is renamed out of the way first, since no file system call
    that works everywhere swaps two folders: a process killed at that very moment leaves both,
    complete, under names that begin with a dot.

    Args:
        folder: Where to. The folder that holds it must exist.
        fill: Writes the files into the folder that it is given.

    Returns:
        The absolute path.

    Raises:
        ValueError: If something is there that `fill` did not write: another file, or a folder that
            holds files but no manifest.
        OSError: If the place cannot be written to or is full. Nothing is left behind.
    """
    target = Path(folder).resolve()
    _check(target)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        fill(temporary)
        for path in [*temporary.iterdir(), temporary]:
            _flush(path)
        temporary.chmod(0o755)
        _put(temporary, target)
    except OSError as error:
        raise OSError(
            error.errno, f"Nothing was written to {target}: {error.strerror or error}"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    _flush(target.parent)
    return target


def _check(target: Path) -> None:
    if not target.parent.is_dir():
        raise ValueError(f"`folder` must lie in a folder that exists. Received: {target}")
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"`folder` must not be a file. Received: {target}")
    if any(target.iterdir()) and not (target / MANIFEST).exists():
        raise ValueError(
            f"`folder` holds files but no {MANIFEST}, so it was not written by kerasnas and is not "
            f"replaced. Received: {target}"
        )


def _put(made: Path, target: Path) -> None:
    if not target.exists():
        os.rename(made, target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    os.rename(target, old / target.name)
    try:
        os.rename(made, target)
    except BaseException:
        os.rename(old / target.name, target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    # Not every file system flushes folders.
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        os.fsync(handle)
    os.close(handle)
