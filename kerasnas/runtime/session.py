"""Keras's global state around one model: layer numbers, and the random generators."""

import contextlib
import hashlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


def clear_session() -> None:
    """Makes Keras number layers from the start, as in every trial.

    The default dtype policy stays.
    """
    # Keras's clear_session would reset the policy too (keras 3.15, global_state.py).
    policy = keras.config.dtype_policy()
    # Garbage is collected between trials only: each trial looks at many proposals.
    keras.backend.clear_session(free_memory=False)
    keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def kept_random_state() -> Iterator[None]:
    """Restores the global random generators of Python and numpy after the block."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextlib.contextmanager
def seeded(*parts: Any) -> Iterator[None]:
    """Seeds Keras, Python and numpy from `parts`, and restores Python and numpy after the block.

    Args:
        *parts: What the seed is derived from, of any type with a stable `str`.

    Yields:
        Nothing.

    Example:

    >>> import random
    >>> with seeded(0, "0001"):
    ...     first = random.random()
    >>> with seeded(0, "0001"):
    ...     first == random.random()
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    with kept_random_state():
        keras.utils.set_random_seed(int.from_bytes(digest[:4], "big"))
        yield
