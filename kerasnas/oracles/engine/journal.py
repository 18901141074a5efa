"""A journal that survives a kill at any instruction, and shows which of its lines were damaged."""

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

    Example:

    ```python
    journal = Journal("journal.jsonl")
    journal.append({"event": "created", "trial": "00"})
    ```
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._end = 0

    def append(self, event: dict[str, Any], sync: bool = False) -> None:
        """Adds an event.

        Args:
            event: What JSON can hold.
            sync: Whether to wait until it is on the disk; without, it survives the process but not
                a power cut.

        Raises:
            kerasnas.runtime.files.CannotWriteError: There is no room for it, or the disk fails.
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
                # A full disk must not leave half a line that swallows the next event.
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
            # Through a symbolic link it would change a file that is none of the run's.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            self._descriptor = os.open(self.path, flags, 0o644)
            size = os.fstat(self._descriptor).st_size
            # A kill can leave the last line without its end; nothing may be glued to that.
            self._end = _end_of_last_line(self._descriptor, size)
            if self._end < size:
                os.ftruncate(self._descriptor, self._end)
        return self._descriptor


def read(
    path: str | os.PathLike[str], check: Callable[[dict[str, Any]], None] = lambda event: None
) -> tuple[list[dict[str, Any]], list[int]]:
    """Reads the events of a journal, whatever state it is in.

    Args:
        path: The file; it need not exist.
        check: Callable that raises a ValueError for an event that is none.

    Returns:
        The events, and the numbers of the lines that cannot be read. A last line without an end is
        an event that did not happen: it is left out and not counted.

    Raises:
        kerasnas.runtime.sealed.NewerFormatError: A later version wrote it.

    Example:

    ```python
    events, unreadable = read("journal.jsonl")
    ```
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
        # Not a line that was never finished: its end was damaged.
        unreadable.append(len(lines) + 1)
    return events, unreadable


def _is_whole(line: bytes) -> bool:
    try:
        return bool(line) and bool(sealed.loads(line))
    except ValueError:
        return False


def _end_of_last_line(descriptor: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
