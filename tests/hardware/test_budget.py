import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware import Cost, LatencyModel, Profile, Work


def costs(**totals):
    fields = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0, **totals}
    return Profile(dtype="int8", arena_head=0, arena_tail=0, layers=(), **fields)


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


@pytest.mark.parametrize("name", ["flash", "ram"])
def test_a_budget_below_what_any_model_needs_says_the_least(name):
    assert getattr(kn.Budget(**{name: 800}), name) == 800
    with pytest.raises(ValueError, match=f"{name}.* at least 800.*{name}=799"):
        kn.Budget(**{name: 799})


def test_no_model_is_smaller_than_the_least(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.ReLU()])
    found = kn.hardware.profile_tflite(kn.export.to_tflite(model))
    assert 800 <= found.flash_bytes < 900
    assert 800 <= found.ram_bytes < 900


MODEL = LatencyModel(1.0, {"CONV_2D": Cost(macs=2.0)}, "made up")


def test_latency_needs_something_that_tells_it():
    with pytest.raises(
        ValueError, match=r"LatencyModel\.fit.*for_device.*HostLatency.*latency_ms=3"
    ):
        kn.Budget(latency_ms=3)
    with pytest.raises(TypeError, match=r"LatencyModel\.fit.*'model\.csv'"):
        kn.Budget(latency_ms=3, latency="model.csv")


@pytest.mark.parametrize(
    ("given", "parsed"), [(20, 20), (0.25, 0.25), ("20ms", 20), ("1.5 s", 1500), ("300us", 0.3)]
)
def test_latency_in_units_that_people_write(given, parsed):
    assert kn.Budget(latency_ms=given, latency=MODEL).latency_ms == pytest.approx(parsed)


@pytest.mark.parametrize("given", [0, -1, "-1ms", "20 km", "", float("nan"), float("inf")])
def test_a_latency_that_is_none_names_the_argument(given):
    with pytest.raises(ValueError, match="latency_ms"):
        kn.Budget(latency_ms=given, latency=MODEL)


def test_a_predicted_latency_is_a_limit_like_the_others():
    budget = kn.Budget(macs=10, latency_ms=2, latency=MODEL)
    work = {"CONV_2D": Work(1, 10**6, 1)}
    found = budget.violations(costs(macs=10, work=work))
    assert found == {"latency_ms": (3.0, 2.0)}
    assert found["latency_ms"].excess == pytest.approx(0.5)
    assert budget.completed(costs(work=work)).latency_ms == 3
    known = costs(latency_ms=1.5)
    assert budget.completed(known) is known
    assert budget.violations(known) == {}


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


def test_a_measured_latency_needs_the_model():
    class Measured:
        median = 7.5

    class Host:
        def measure(self, model):
            assert model == "the model"
            return Measured()

    budget = kn.Budget(latency_ms=2, latency=Host())
    assert budget.violations(costs()) == {}
    assert budget.completed(costs()).latency_ms is None
    completed = budget.completed(costs(), lambda: "the model")
    assert budget.violations(completed) == {"latency_ms": (7.5, 2.0)}


def test_violations_name_every_limit_that_is_exceeded():
    budget = kn.Budget(params=10, macs=100, flash=1000)
    found = budget.violations(costs(params=11, macs=100, flash_bytes=1500, ram_bytes=10**9))
    assert set(found) == {"params", "flash"}
    assert found["flash"] == (1500, 1000)
    assert found["flash"].excess == pytest.approx(0.5)


def test_what_equals_the_limit_fits():
    assert kn.Budget(ram=1064).violations(costs(ram_bytes=1064)) == {}


def test_a_budget_without_limits_is_false():
    assert not kn.Budget()
    assert kn.Budget(macs=1)
    assert not kn.Budget(latency=MODEL)
    assert kn.Budget(latency_ms=1, latency=MODEL)
