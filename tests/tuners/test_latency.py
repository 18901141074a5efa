"""Latency as a limit and as an objective of a real search, predicted and measured."""

import keras
import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.hardware import Cost, HostLatency, LatencyModel
from kerasnas.tuners.gate import Gate, LatencyError

# A tenth of a millisecond each unit of the tiny networks, which have 7 MACs a unit.
MODEL = LatencyModel(0.5, {"FULLY_CONNECTED": Cost(macs=1e6 / 70)}, "made up")


class Host(HostLatency):
    """Counts its measurements."""

    measured = 0

    def measure(self, model):
        type(self).measured += 1
        return super().measure(model)


@pytest.fixture
def host():
    Host.measured = 0
    return Host(runs=3)


def test_what_is_too_slow_is_never_trained(build, fit, tmp_path):
    budget = kn.Budget(latency_ms=0.95, latency=MODEL)
    tuner = kn.Evolution(build, "val_loss", 6, seed=0, budget=budget, directory=tmp_path)
    tuner.search(**fit)
    results = tuner.results()
    assert len(results) == 6
    assert max(r["values"]["units"] for r in results) <= 4
    assert all(r["latency_ms"] == pytest.approx(0.5 + r["values"]["units"] / 10) for r in results)
    assert tuner.oracle.turned_away > 0
    with pytest.raises(ValueError, match=r"latency_ms=1\.2 > limit 0\.95"):
        tuner.enqueue({"units": 7})


def test_a_trade_off_of_accuracy_and_latency(build, fit, tmp_path, capsys):
    def make():
        return kn.NSGA2(
            build,
            ["val_accuracy", "latency_ms"],
            max_trials=4,
            population_size=4,
            seed=0,
            budget=kn.Budget(latency=MODEL),
            directory=tmp_path,
        )

    tuner = make()
    tuner.search(**{**fit, "verbose": 1})
    results = tuner.results()
    assert [r["status"] for r in results] == ["COMPLETED"] * 4
    assert all(r["metrics"]["latency_ms"] == r["latency_ms"] for r in results)
    assert any(r["pareto"] for r in results)
    assert "latency_ms " in capsys.readouterr().out
    assert make().results() == results


def test_a_soft_limit_on_latency(build, fit, tmp_path):
    oracle = kn.oracles.NSGA2Oracle(
        "val_accuracy", max_trials=2, limits={"latency_ms": 0.8}, population_size=4, seed=0
    )
    tuner = kn.Tuner(build, oracle, budget=kn.Budget(latency=MODEL), directory=tmp_path)
    tuner.search(**fit)
    assert all("latency_ms" in r["metrics"] for r in tuner.results())


def test_an_objective_that_nothing_tells_is_an_early_error(build, tmp_path):
    for budget in (None, kn.Budget(macs="1M")):
        with pytest.raises(ValueError, match=r"'latency_ms' needs a budget.*HostLatency"):
            kn.NSGA2(build, ["val_loss", "latency_ms"], budget=budget, directory=tmp_path)
    oracle = kn.oracles.NSGA2Oracle("val_loss", max_trials=2, limits={"latency_ms": 0.8})
    with pytest.raises(ValueError, match="'latency_ms' needs a budget"):
        kn.Tuner(build, oracle, directory=tmp_path)


def test_a_model_without_a_cost_for_an_operator_ends_the_search_at_once(build, fit, tmp_path):
    trained = []

    def noting(hp):
        trained.append(hp)
        return build(hp)

    other = LatencyModel(0.5, {"CONV_2D": Cost(macs=1.0)}, "convolutions only")
    budget = kn.Budget(latency_ms=1, latency=other)
    tuner = kn.Evolution(noting, "val_loss", 20, seed=0, budget=budget, directory=tmp_path)
    trained.clear()
    with pytest.raises(LatencyError, match=r"convolutions only.*no cost of FULLY_CONNECTED"):
        tuner.search(**fit)
    assert len(trained) <= 2
    assert [r["status"] for r in tuner.results()] in ([], ["RUNNING"])


def test_a_latency_that_nobody_asked_for_limits_nothing(build, fit, tmp_path):
    """A device brings its latency model along, which knows the operators that were timed."""
    other = LatencyModel(0.5, {"CONV_2D": Cost(macs=1.0)}, "convolutions only")
    device = kn.hardware.Device("mine", flash="1MB", ram="256KB", latency=other)
    budget = kn.Budget.for_device(device)
    assert budget.violations(kn.profile(build(keras_tuner.HyperParameters()))) == {}
    tuner = kn.Evolution(build, "val_loss", 2, seed=0, budget=budget, directory=tmp_path)
    tuner.search(**fit)
    assert [(r["status"], r["latency_ms"]) for r in tuner.results()] == [("COMPLETED", None)] * 2
    wanted = kn.NSGA2(build, ["val_loss", "latency_ms"], budget=budget, directory=tmp_path / "two")
    with pytest.raises(LatencyError, match="no cost of FULLY_CONNECTED"):
        wanted.search(**fit)


def test_a_prediction_that_is_no_number_ends_the_search_at_once(build, fit, tmp_path):
    class Mine:
        def predict(self, profile):
            return float("nan")

    budget = kn.Budget(latency_ms=1, latency=Mine())
    tuner = kn.Random(build, "val_loss", 20, seed=0, budget=budget, directory=tmp_path)
    with pytest.raises(LatencyError, match=r"milliseconds.*nan"):
        tuner.search(**fit)


def test_a_measured_latency_is_a_limit(build, fit, tmp_path, host):
    budget = kn.Budget(latency_ms="10s", latency=host)
    tuner = kn.Random(build, "val_loss", 2, seed=0, budget=budget, directory=tmp_path)
    tuner.search(**fit)
    results = tuner.results()
    assert [r["status"] for r in results] == ["COMPLETED"] * 2
    assert all(0 < r["latency_ms"] < 1e4 for r in results)
    assert Host.measured == 2


class Space(kn.HyperModel):
    def body(self, hp, x):
        return self.choose(hp, "units", ["dense"], filters=[1, 2])(x)


def test_a_network_is_measured_once_and_last(host):
    space = keras_tuner.HyperParameters()
    hypermodel = Space((4,), 1)
    hypermodel.build(space)
    space.Choice("learning_rate", [0.1, 0.2])
    narrow, wide = {"units/filters": 1}, {"units/filters": 2}
    limit = kn.profile(hypermodel.build(space)).params
    gate = Gate(hypermodel, lambda: space, kn.Budget(params=limit, latency_ms=1e-9, latency=host))
    assert set(gate.violations(wide)) == {"params"}
    assert Host.measured == 0
    assert gate.profile(narrow).latency_ms is None
    first = gate.violations(narrow)
    assert set(first) == {"latency_ms"}
    again = gate.violations({**narrow, "learning_rate": 0.2})
    assert again == first
    assert gate.costs(narrow).latency_ms == first["latency_ms"].value
    built = space.copy()
    built.values.update(narrow)
    assert gate.check(hypermodel.build(built)) == first
    assert Host.measured == 1


def test_a_built_model_is_measured_too(host):
    space = keras_tuner.HyperParameters()

    def build(hp):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 9))])

    build(space)
    hypermodel = keras_tuner.HyperModel()
    hypermodel.build = build
    gate = Gate(hypermodel, lambda: space, kn.Budget(latency_ms=1e-9, latency=host))
    found = gate.violations({"units": 3})
    assert set(found) == {"latency_ms"}
    space.values["units"] = 3
    assert gate.check(build(space)) == found
    assert Host.measured == 1
