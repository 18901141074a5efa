import contextlib
import random

import numpy as np

from kerasnas.runtime.session import seeded


def test_seeded_puts_the_generators_back():
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with seeded("a", 3):
        first = random.random(), np.random.rand()  # noqa: NPY002
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy[1])  # noqa: NPY002
    with seeded("a", 3):
        assert first == (random.random(), np.random.rand())  # noqa: NPY002


def test_seeded_puts_the_state_back_after_an_error():
    state = random.getstate()
    with contextlib.suppress(KeyError), seeded("a"):
        random.random()
        raise KeyError
    assert random.getstate() == state
