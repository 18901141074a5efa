"""Made-up timings."""

import pytest

import kerasnas as kn
from kerasnas.hardware import Timing, Work

CONV, DEPTHWISE, ADD = "CONV_2D", "DEPTHWISE_CONV_2D", "ADD"


def _random_work(rng):
    """What a network does: convolutions of both sorts, and additions."""
    work = {}
    for kind, heavy in ((CONV, True), (DEPTHWISE, True), (ADD, False)):
        count = int(rng.integers(1, 9))
        macs = int(rng.integers(10**4, 10**7)) if heavy else 0
        work[kind] = Work(count, macs, int(rng.integers(10**3, 10**5)))
    return work


def _timings(model, rng, count, noise=0.0):
    found = []
    for _ in range(count):
        work = _random_work(rng)
        ms = model.predict(_profile(work)) * (1 + noise * rng.standard_normal())
        found.append(Timing(work, ms))
    return found


def _profile(work, dtype="int8"):
    totals = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0}
    return kn.hardware.Profile(
        dtype=dtype, arena_head=0, arena_tail=0, layers=(), work=work, **totals
    )


@pytest.fixture(scope="session")
def timings():
    return _timings
