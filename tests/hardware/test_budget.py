import keras
import pytest

import kerasnas as kn
from kerasnas.hardware import Cost, LatencyModel, Profile, Work


def costs(**totals):
    fields = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0, **totals}
    return Profile(dtype="int8", arena_head=0, arena_tail=0, layers=(), **fields)


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
