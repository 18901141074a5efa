"""Keeps TensorFlow's start-up lines away from the terminal; imported before anything loads Keras.

TensorFlow logs what it finds on the machine: oneDNN, GPUs, instructions of the processor. The
variable TF_CPP_MIN_LOG_LEVEL says from which severity on: 0 information, 1 warnings, 2 errors, 3
fatal errors only. Where it is not set, it is set to 3 here, for this process and those that it
starts. TensorFlow 2.21 writes some lines before it reads the variable; these are taken out while
it is loaded. A variable of the user's own wins, and where TensorFlow was loaded before kerasnas
nothing is left to be done.
"""

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
_SEVERITIES = "IWEF"  # By the variable's numbers.
# Of absl's logging before it is set up: I0000 00:00:1796078471.660291   17624 port.cc:153] ...
_LINE = re.compile(rb"([IWEF])0000 00:00:\d+\.\d+ +\d+ \S+:\d+\] ")
_PREFACE = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"


def without_start_up_lines(text: bytes, level: int) -> bytes:
    """Takes absl's lines below a severity out of what was written.

    Args:
        text: Lines of the standard error.
        level: As the variable TF_CPP_MIN_LOG_LEVEL has it.

    Returns:
        The other lines.

    Example:

    >>> from kerasnas.runtime.quiet_start import without_start_up_lines
    >>> without_start_up_lines(b"I0000 00:00:1796078471.6   17624 port.cc:153] oneDNN\\nMine\\n", 1)
    b'Mine\\n'
    """
    kept = []
    for line in text.splitlines(keepends=True):
        found = _LINE.match(line)
        severity = _SEVERITIES.index(found[1].decode()) if found else level
        if severity >= level and not (level and line.startswith(_PREFACE)):
            kept.append(line)
    return b"".join(kept)


@contextlib.contextmanager
def _start_up_lines_withheld(level: int) -> Iterator[None]:
    """Collects what file descriptor 2 gets during the block, then writes the other lines to it."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            os.write(2, without_start_up_lines(written.read(), level))


class _FirstImport:
    """Stands before Python's finders of modules until TensorFlow is imported for the first time."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_quietly(module: ModuleType) -> None:
            with _start_up_lines_withheld(_level()):
                load(module)

        spec.loader.exec_module = load_quietly  # type: ignore[method-assign]
        return spec


def _level() -> int:
    try:
        return int(os.environ[_VARIABLE])
    except ValueError:  # TensorFlow takes it for 0, too.
        return 0


if "tensorflow" not in sys.modules:
    os.environ.setdefault(_VARIABLE, "3")
    sys.meta_path.insert(0, _FirstImport())
