"""Keeps what C++ libraries print away from the terminal."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Discards what the process writes to file descriptors 1 and 2 while the block runs.

    TensorFlow and LiteRT log from C++, below `sys.stdout` and `logging`. Python's own streams are
    flushed first, so that nothing of the caller's is lost. TensorFlow's Python logger is held to
    errors: its handler may have a stream of its own.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    try:
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            yield
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        logger.setLevel(level)
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
