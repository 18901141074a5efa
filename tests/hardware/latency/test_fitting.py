"""Coefficients from timings."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
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


@settings(deadline=None, max_examples=25)
@given(
    constant=ms,
    each=st.floats(0, 2),
    costs=st.lists(st.tuples(st.floats(0.01, 50), st.floats(0, 500)), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_fit_predicts_as_what_made_its_timings(constant, each, costs, seed, timings):
    (conv, conv_values), (depthwise, depthwise_values), (_, add_values) = costs
    truth = LatencyModel(
        constant,
        {
            CONV: Cost(each, conv, conv_values),
            DEPTHWISE: Cost(each, depthwise, depthwise_values),
            ADD: Cost(each, 0, add_values),
        },
        "made up",
    )
    rng = np.random.default_rng(seed)
    fitted = LatencyModel.fit(timings(truth, rng, 30))
    for _ in range(5):
        other = profile(random_work(rng))
        assert fitted.predict(other) == pytest.approx(truth.predict(other), rel=1e-3)
    assert fitted.error.worst < 1e-3
    assert fitted.error.timings == 30


TRUTH = LatencyModel(2.0, {CONV: Cost(0, 10, 0), DEPTHWISE: Cost(0, 60, 0), ADD: Cost()}, "made up")


def test_noise_is_in_the_error_of_what_was_held_out(rng, timings):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 60, noise=0.1))
    assert 0.03 < fitted.error.median < 0.2
    assert fitted.error.fits == 10
    assert fitted.costs[DEPTHWISE].macs / fitted.costs[CONV].macs == pytest.approx(6, rel=0.3)


def test_few_timings_get_few_coefficients(rng, timings):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 9))
    assert set(fitted.costs) == {CONV, DEPTHWISE}
    assert fitted.constant == pytest.approx(2)
    with pytest.raises(ValueError, match=r"9 in all.*like=.*8 timings"):
        LatencyModel.fit(timings(TRUTH, rng, 8))


def test_ratios_are_kept_where_there_are_few_timings(rng, timings):
    twice = LatencyModel(7.0, {k: Cost(*(2 * p for p in c)) for k, c in TRUTH.costs.items()}, "it")
    fitted = LatencyModel.fit(timings(twice, rng, 4), like=TRUTH, source="a board")
    assert fitted.costs[DEPTHWISE].macs == pytest.approx(120)
    assert fitted.constant == pytest.approx(7)
    assert fitted.error.timings == 4
    assert "a board" in str(fitted)
    assert "made up" in str(fitted)


def test_one_timing_gives_a_scale(rng):
    work = random_work(rng)
    timed = 3 * TRUTH.predict(profile(work))
    fitted = LatencyModel.fit([(profile(work), timed)], like=TRUTH)
    assert fitted.constant == pytest.approx(6)
    assert fitted.costs[CONV].macs == pytest.approx(30)
    assert fitted.error is None
    assert "not measured" in str(fitted)


def test_operators_that_were_timed_one_by_one(rng):
    rows = []
    for model in ("a", "b", "c", "d"):
        for _ in range(6):
            work = random_work(rng)
            kind = str(rng.choice([CONV, DEPTHWISE]))
            one = {kind: work[kind]}
            rows.append(Timing(one, TRUTH.predict(profile(one)) - 2, model, whole=False))
    fitted = LatencyModel.fit(rows)
    assert fitted.constant == 0
    assert fitted.costs[DEPTHWISE].macs == pytest.approx(60)
    assert (fitted.error.timings, fitted.error.fits) == (4, 4)
    alone = LatencyModel.fit([row for row in rows if row.model == "a"])
    assert (alone.error.timings, alone.error.fits) == (1, 6)


def test_no_model_is_held_out_of_a_fit_that_saw_it(rng, timings):
    """Noise that no network shares cannot be predicted: a leak would hide it."""
    alone = timings(TRUTH, rng, 12, noise=0.3)
    twins = [dataclasses.replace(row, model=f"{i}") for i, row in enumerate(alone * 2)]
    assert LatencyModel.fit(twins).error == pytest.approx(LatencyModel.fit(alone).error)


def test_a_kind_without_macs_that_was_never_timed_costs_as_the_slowest(rng, timings):
    truth = LatencyModel(
        1.0, {CONV: Cost(macs=1), DEPTHWISE: Cost(macs=2), ADD: Cost(0, 0, 500)}, ""
    )
    fitted = LatencyModel.fit(timings(truth, rng, 60))
    million = profile({"TANH": Work(1, 0, 10**6)})
    assert fitted.predict(million) == pytest.approx(501, rel=0.01)
