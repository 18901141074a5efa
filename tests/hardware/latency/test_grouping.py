"""Which timings are of the same model."""

import dataclasses

import pytest
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware import Cost, LatencyModel, Timing, Work

CONV, DEPTHWISE, ADD = "CONV_2D", "DEPTHWISE_CONV_2D", "ADD"


def random_work(rng):
    """What a network does: convolutions of both sorts, and additions."""
    work = {}
    for kind, heavy in ((CONV, True), (DEPTHWISE, True), (ADD, False)):
        count = int(rng.integers(1, 9))
        macs = int(rng.integers(10**4, 10**7)) if heavy else 0
        work[kind] = Work(count, macs, int(rng.integers(10**3, 10**5)))
    return work


def profile(work, dtype="int8"):
    totals = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0}
    return kn.hardware.Profile(
        dtype=dtype, arena_head=0, arena_tail=0, layers=(), work=work, **totals
    )


ms = st.floats(0, 50)


TRUTH = LatencyModel(2.0, {CONV: Cost(0, 10, 0), DEPTHWISE: Cost(0, 60, 0), ADD: Cost()}, "made up")


def test_a_model_that_was_timed_again_is_one_timing(rng, timings):
    nine = timings(TRUTH, rng, 9)
    slower = [dataclasses.replace(row, ms=2 * row.ms) for row in nine]
    faster = [
        dataclasses.replace(row, ms=row.ms / 9, model=f"copy {i}") for i, row in enumerate(nine)
    ]
    fitted = LatencyModel.fit([*slower, *nine, *faster])
    once = LatencyModel.fit(nine)
    assert fitted.constant == pytest.approx(once.constant)
    assert fitted.error == pytest.approx(once.error)
    assert "27 timings of 9 models, of each the median" in fitted.source
    assert "median" not in once.source
    with pytest.raises(ValueError, match=r"9 in all.*like=.*27 timings of 3 distinct models"):
        LatencyModel.fit(nine[:3] * 9)
    scaled = LatencyModel.fit(nine[:1] * 9, like=TRUTH)
    assert scaled.error is None
    assert scaled.constant == pytest.approx(2)


def test_operators_of_one_model_under_two_names_are_held_out_together(rng):
    kinds = [CONV, DEPTHWISE, CONV, DEPTHWISE, CONV, DEPTHWISE]
    rows = []
    for kind in kinds:
        one = {kind: random_work(rng)[kind]}
        rows.append(Timing(one, TRUTH.predict(profile(one)) - 2, "a", whole=False))
    renamed = [dataclasses.replace(row, model="b") for row in rows]
    both = LatencyModel.fit([*rows, *renamed])
    assert (both.error.timings, both.error.fits) == (1, 6)
    with pytest.raises(ValueError, match="12 timings of 2 distinct operators"):
        LatencyModel.fit(rows[:2] * 6)
