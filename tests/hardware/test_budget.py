import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware import Profile


def costs(**totals):
    fields = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0, **totals}
    return Profile(dtype="int8", arena_head=0, arena_tail=0, layers=(), **fields)


@pytest.mark.parametrize(
    ("given", "parsed"),
    [(100, 100), ("64KB", 65536), ("64 kb", 65536), ("1.5MB", 1572864), ("2KiB", 2048), ("7B", 7)],
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
    budget = kn.Budget(params=np.int64(5), ram=np.float32(64))
    assert (budget.params, budget.ram) == (5, 64)
    assert type(budget.params) is int


def test_a_wrong_type_names_the_argument():
    with pytest.raises(TypeError, match="ram"):
        kn.Budget(ram=[1])


def test_latency_is_refused_until_it_can_be_measured():
    with pytest.raises(ValueError, match="latency_ms"):
        kn.Budget(latency_ms=3)


def test_violations_name_every_limit_that_is_exceeded():
    budget = kn.Budget(params=10, macs=100, flash=1000)
    found = budget.violations(costs(params=11, macs=100, flash_bytes=1500, ram_bytes=10**9))
    assert set(found) == {"params", "flash"}
    assert found["flash"] == (1500, 1000)
    assert found["flash"].excess == pytest.approx(0.5)


def test_what_equals_the_limit_fits():
    assert kn.Budget(ram=64).violations(costs(ram_bytes=64)) == {}


def test_a_budget_without_limits_is_false():
    assert not kn.Budget()
    assert kn.Budget(macs=1)
