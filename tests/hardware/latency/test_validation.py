"""What predicts a latency, and what it returns, is checked."""

import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware import Cost, LatencyModel, Profile


def costs(**totals):
    fields = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0, **totals}
    return Profile(dtype="int8", arena_head=0, arena_tail=0, layers=(), **fields)


def test_latency_needs_something_that_tells_it():
    with pytest.raises(
        ValueError, match=r"LatencyModel\.fit.*for_device.*HostLatency.*latency_ms=3"
    ):
        kn.Budget(latency_ms=3)
    with pytest.raises(TypeError, match=r"LatencyModel\.fit.*'model\.csv'"):
        kn.Budget(latency_ms=3, latency="model.csv")


def test_anything_that_predicts_is_a_latency_model():
    class Mine:
        def predict(self, profile):
            return profile.macs / 4

    assert kn.Budget(latency_ms=2, latency=Mine()).violations(costs(macs=9)) == {
        "latency_ms": (2.25, 2.0)
    }


def telling(told):
    class Mine:
        def predict(self, profile):
            return told

    return Mine()


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), -1, None, "5", [5.0], np.ones(1), True]
)
def test_a_prediction_that_is_no_time_is_an_error(bad):
    budget = kn.Budget(latency_ms=2, latency=telling(bad))
    with pytest.raises((TypeError, ValueError), match=r"`latency`.*milliseconds.*Mine"):
        budget.violations(costs())


def test_a_measurement_that_is_no_time_is_an_error():
    class Host:
        def measure(self, model):
            return 5.0

    with pytest.raises(TypeError, match=r"`latency`.*`median`.*Host"):
        kn.Budget(latency_ms=2, latency=Host()).completed(costs(), lambda: "the model")


@pytest.mark.parametrize("bad", [LatencyModel, kn.hardware.HostLatency])
def test_a_class_tells_no_latency(bad):
    with pytest.raises(TypeError, match=rf"`latency`.*an instance.*{bad.__name__}"):
        kn.Budget(latency_ms=3, latency=bad)


def test_what_only_looks_as_if_it_told_a_latency():
    class Mine:
        predict = 5.0

    with pytest.raises(TypeError, match=r"`latency`.*LatencyModel\.fit"):
        kn.Budget(latency_ms=3, latency=Mine())


def test_a_latency_model_of_another_dtype_is_an_early_error():
    floats = LatencyModel(1.0, {"CONV_2D": Cost(macs=2.0)}, "made up", dtype="float32")
    with pytest.raises(ValueError, match=r"`latency`.*int8.*float32.*kn\.profile\(model\)"):
        kn.Budget(latency_ms=3, latency=floats)
    with pytest.raises(ValueError, match=r"`latency`.*int8.*float32"):
        kn.Budget(latency=floats)
    assert kn.Budget(latency=kn.hardware.HostLatency(dtype="float32")).measures
