"""A journal that survives a kill at any instruction."""

import json
import os
import pathlib
from typing import Any


class Journal:
    """A file of JSON lines that only grows: one line an event, each written by one system call.

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
        self._end = 0

    def append(self, event: dict[str, Any], sync: bool = False) -> None:
        """Adds an event.

        Args:
            event: What JSON can hold.
            sync: Whether to wait until it is on the disk; without, it survives the process but not
                a power cut.
        """
        line = (json.dumps(event, separators=(",", ":")) + "\n").encode()
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
        self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            size = os.fstat(self._descriptor).st_size
            # A kill can leave the last line without its end; nothing may be glued to that.
            self._end = _end_of_last_line(self._descriptor, size)
            if self._end < size:
                os.ftruncate(self._descriptor, self._end)
        return self._descriptor


def read(path: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], list[int]]:
    """Reads the events of a journal, whatever state it is in.

    Args:
        path: The file; it need not exist.

    Returns:
        The events, and the numbers of the lines that cannot be read. A last line without an end is
        an event that did not happen: it is left out and not counted.

    Example:

    ```python
    events, unreadable = read("journal.jsonl")
    ```
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return [], []
    events, unreadable = [], []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append(event)
        else:
            unreadable.append(number)
    return events, unreadable


def _end_of_last_line(descriptor: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
