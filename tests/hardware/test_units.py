"""Amounts in units that people write."""

import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware import Cost, LatencyModel


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (1000, 1000),
        ("64KB", 65536),
        ("64 kb", 65536),
        ("1.5MB", 1572864),
        ("2KiB", 2048),
        ("2 KiB", 2048),
        ("2k", 2048),
        ("1.5M", 3 * 2**19),
        ("801B", 801),
    ],
)
def test_sizes_are_in_units_of_1024(given, parsed):
    assert kn.Budget(flash=given).flash == parsed
    assert kn.Budget(ram=given).ram == parsed


def test_counts_are_in_units_of_1000():
    budget = kn.Budget(params="50K", macs="2.5M")
    assert (budget.params, budget.macs) == (50_000, 2_500_000)


@pytest.mark.parametrize("given", ["64 bananas", "-1", "", "KB", 0, -5, float("inf"), float("nan")])
def test_an_amount_that_is_not_positive_names_the_argument(given):
    with pytest.raises(ValueError, match="flash"):
        kn.Budget(flash=given)


def test_numbers_of_numpy_are_numbers():
    budget = kn.Budget(params=np.int64(5), ram=np.float32(1024))
    assert (budget.params, budget.ram) == (5, 1024)
    assert type(budget.params) is int


def test_a_wrong_type_names_the_argument():
    with pytest.raises(TypeError, match="ram"):
        kn.Budget(ram=[1])


MODEL = LatencyModel(1.0, {"CONV_2D": Cost(macs=2.0)}, "made up")


@pytest.mark.parametrize(
    ("given", "parsed"), [(20, 20), (0.25, 0.25), ("20ms", 20), ("1.5 s", 1500), ("300us", 0.3)]
)
def test_latency_in_units_that_people_write(given, parsed):
    assert kn.Budget(latency_ms=given, latency=MODEL).latency_ms == pytest.approx(parsed)


@pytest.mark.parametrize("given", [0, -1, "-1ms", "20 km", "", float("nan"), float("inf")])
def test_a_latency_that_is_none_names_the_argument(given):
    with pytest.raises(ValueError, match="latency_ms"):
        kn.Budget(latency_ms=given, latency=MODEL)
