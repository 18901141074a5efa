import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.fidelity.lengths import kendall, schedule

numbers = st.integers(0, 6)  # Few enough to have ties.


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
def test_tau_is_that_of_scipy(pairs):
    first, second = zip(*pairs, strict=True)
    expected = scipy.stats.kendalltau(first, second).statistic
    tau, low, high = kendall(first, second)
    assert tau == pytest.approx(0.0 if math.isnan(expected) else expected)
    assert -1 <= low <= min(tau, 0.999)
    assert max(tau, -0.999) <= high <= 1


def test_four_networks_give_no_interval():
    assert kendall([1, 2, 3, 4], [1, 2, 3, 4]) == (1.0, -1.0, 1.0)


def test_more_networks_give_a_narrower_interval():
    widths = []
    for count in (6, 12, 48):
        _, low, high = kendall(range(count), [*range(count - 2), count, count - 1])
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.slow
def test_the_interval_holds_nine_times_of_ten():
    """Of normal scores with a known tau, as the source has them."""
    rng = np.random.default_rng(0)
    correlation = 0.8
    tau = 2 / math.pi * math.asin(correlation)
    held = 0
    for _ in range(1000):
        x = rng.normal(size=8)
        y = correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=8)
        _, low, high = kendall(x.tolist(), y.tolist())
        held += low <= tau <= high
    assert 850 <= held <= 950


def test_the_schedule_tells_epochs_and_samples():
    assert schedule(3) == {"tuner/epochs": 3, "tuner/initial_epoch": 0}
    assert schedule(1, 500)["tuner/samples"] == 500
