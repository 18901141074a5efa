"""Files that survive a kill at any instruction, and errors that say what a full disk lacks."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import socket
import zlib
from collections.abc import Iterator

# Errors that the disk causes, not the content of the file.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# As HDF5 writes it.
_ERRNO = re.compile(r"\berrno = (\d+)")
_CHAIN = 10  # How many errors that were raised from one another are searched for one of the disk.
# Process ids say something on one machine only, and several machines may share a folder.
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_TEMPORARY = re.compile(
    r"(?:.+\.json|checkpoint\.weights\.h5)(?:\.([0-9a-f]{8}))?\.(\d+)\.tmp(?:\.weights\.h5)?",
    re.ASCII,
)


class CannotWriteError(OSError):
    """A file cannot be written because the disk is full or fails."""


def write_atomic(path: str | os.PathLike[str], data: str | bytes, sync: bool = False) -> None:
    """Replaces a file in one step, so that a reader sees the old content or the new, never a part.

    Args:
        path: The file.
        data: Its new content; text is written as UTF-8.
        sync: Whether the data is forced to the disk before the file is replaced.

    Raises:
        CannotWriteError: There is no room for it, or the disk fails.

    Example:

    ```python
    write_atomic("state.json", "{}")
    ```
    """
    content = data.encode() if isinstance(data, str) else data
    with replacing(path, len(content)) as temporary, open(temporary, "xb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], size: int, ending: str = "") -> Iterator[str]:
    """Yields a name to write a file to, and moves that file to its place once it is complete.

    Args:
        path: The file to be replaced.
        size: How many bytes are about to be written.
        ending: What the name must end in.

    Yields:
        The name, of a file that is not there.

    Raises:
        CannotWriteError: There is no room for it, or the disk fails.
    """
    path = os.fspath(path)
    # The process id keeps two writers of one folder from sharing a temporary file.
    temporary = f"{path}.{_HOST}.{os.getpid()}.tmp{ending}"
    try:
        with writing(path, size):
            pathlib.Path(temporary).unlink(missing_ok=True)
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        # A library that could not close it would keep its space until the process ends.
        with contextlib.suppress(OSError):
            os.truncate(temporary, 0)
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def check_room(path: str, size: int) -> None:
    """Raises an error if the disk has no room for a file, before a library fails in its own way.

    Args:
        path: A file that is not there.
        size: How many bytes it will have, at most.

    Raises:
        OSError: There is no room, or the disk fails.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with open(path, "xb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # Not every file system can reserve space.
        if disk_error(error) is not None:
            raise
    finally:
        pathlib.Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], size: int) -> Iterator[None]:
    """Adds the name of the file and the space that it needs to an error raised while it is written.

    Args:
        path: The file.
        size: How many bytes are about to be written.

    Raises:
        CannotWriteError: There is no room for it, or the disk fails.
    """
    try:
        yield
    except (CannotWriteError, FileNotFoundError):  # There is no folder, so space would not help.
        raise
    except Exception as error:
        code = getattr(error, "errno", None) or disk_error(error)
        if not isinstance(error, OSError) and code is None:
            raise
        cause = os.strerror(code) if code else str(error)
        message = f"A file of {size:,} bytes cannot be written ({cause})"
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
            message += f"; {free:,} bytes are free there"
        raise CannotWriteError(code or errno.EIO, message, os.fspath(path)) from error


def disk_error(error: BaseException) -> int | None:
    """Returns the number of the disk error that caused an error, whatever library has wrapped it.

    Args:
        error: Any error.

    Returns:
        ENOSPC, EDQUOT, EFBIG, EROFS, EIO, or None where the disk is not to blame.
    """
    link: BaseException | None = error
    for _ in range(_CHAIN):
        if link is None:
            return None
        named = _ERRNO.search(str(link))
        code = getattr(link, "errno", None) or (int(named[1]) if named else None)
        for known in _OF_THE_DISK:
            if code == known or os.strerror(known) in str(link):
                return known
        link = link.__cause__ or link.__context__
    return None


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Removes the temporary files of a run that ended processes of this machine left behind.

    Args:
        folder: The folder of a run or of a trial; folders in it are left alone.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    for name in names:
        if is_leftover(name):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def is_leftover(name: str) -> bool:
    """Returns whether a file is a temporary one that an ended process of this machine left."""
    found = _TEMPORARY.fullmatch(name)
    # Version 0.1.0 did not say on which machine.
    return bool(found and found[1] in (None, _HOST) and not _lives(int(found[2])))


def _lives(process: int) -> bool:
    if os.name != "posix":
        return True  # Elsewhere the question would end the process.
    try:
        os.kill(process, 0)
    except (OSError, OverflowError) as error:
        return not isinstance(error, ProcessLookupError)
    return True


def content(file: str | os.PathLike[str] | bytes) -> bytes:
    """Returns the bytes of a file that is given by its path, or given bytes as they are.

    Args:
        file: Path, or the file's bytes.

    Returns:
        The bytes. What is neither is handed on, for the reader of the format to refuse.

    Raises:
        FileNotFoundError: If there is no file at the path.
    """
    return pathlib.Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file
