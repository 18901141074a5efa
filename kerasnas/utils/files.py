"""Files that survive a kill at any instruction."""

import os
import pathlib


def write_atomic(path: str | os.PathLike[str], data: str | bytes, sync: bool = False) -> None:
    """Replaces a file in one step, so that a reader sees the old content or the new, never a part.

    Args:
        path: The file.
        data: Its new content; text is written as UTF-8.
        sync: Whether the data is forced to the disk before the file is replaced.

    Example:

    ```python
    write_atomic("state.json", "{}")
    ```
    """
    path = os.fspath(path)
    # The process id keeps two writers of one folder from sharing a temporary file.
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
