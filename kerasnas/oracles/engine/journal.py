"""A journal that survives a kill at any time, and in which damaged lines are found."""

import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

from kerasnas.runtime import sealed
from kerasnas.runtime.files import writing


class Journal:
    """A file of JSON lines that only grows: one line an event, each written by one system call.

    Each line is a record of `kerasnas.runtime.sealed`, with its format and its checksum.

    Args:
        path: The file; it is created when the first event is appended.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._end = 0

    def append(self, event: dict[str, Any], sync: bool = False) -> None:
        """Adds an event.

        Args:
            event: The event, as a dict that JSON can hold.
            sync: Whether to wait until the event is on the disk. Without, it survives the end of
                the process but not a power cut.

        Raises:
            kerasnas.runtime.files.CannotWriteError: The disk is full or fails.
        """
        line = (sealed.dumps(event) + "\n").encode()
        with self._lock, writing(self.path, len(line)):
            descriptor = self._open()
            try:
                rest = line
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                if sync:
                    os.fsync(descriptor)
            except BaseException:
                # Half a line, left by a full disk, would make the next line unreadable too.
                os.ftruncate(descriptor, self._end)
                raise
            self._end += len(line)

    def close(self) -> None:
        """Closes the file; the next append opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        # One whose construction failed has nothing to close.
        if "_descriptor" in vars(self):
            self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            # O_NOFOLLOW: a symbolic link could lead to a file outside of the run's folder.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            self._descriptor = os.open(self.path, flags, 0o644)
            size = os.fstat(self._descriptor).st_size
            # A kill can cut the last line off. It is removed, or the next event would join it.
            self._end = _end_of_last_line(self._descriptor, size)
            if self._end < size:
                os.ftruncate(self._descriptor, self._end)
        return self._descriptor


def read(
    path: str | os.PathLike[str], check: Callable[[dict[str, Any]], None] = lambda event: None
) -> tuple[list[dict[str, Any]], list[int]]:
    """Reads all events of a journal that can be read.

    Args:
        path: The file; it need not exist.
        check: Callable that raises a ValueError for a record that is not a valid event.

    Returns:
        The events, and the numbers of the lines that cannot be read. A last line that was cut off
        while it was written is ignored, and does not count as unreadable.

    Raises:
        kerasnas.runtime.sealed.NewerFormatError: A later version wrote it.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return [], []
    *lines, rest = content.split(b"\n")
    events, unreadable = [], []
    for number, line in enumerate(lines, start=1):
        try:
            event = sealed.loads(line)
            check(event)
            events.append(event)
        except sealed.NewerFormatError:
            raise
        except ValueError:
            unreadable.append(number)
    if _is_whole(rest[:-1]):
        # The record is complete, so only its line break was damaged.
        unreadable.append(len(lines) + 1)
    return events, unreadable


def _is_whole(line: bytes) -> bool:
    try:
        return bool(line) and bool(sealed.loads(line))
    except ValueError:
        return False


def _end_of_last_line(descriptor: int, size: int) -> int:
    """Returns where the last whole line ends; reads from the end, as a journal can be long."""
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
