"""What a trial's network costs, as the search needs it."""

import keras
import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

import kerasnas as kn
from kerasnas import oracles
from kerasnas.tuners.costs import Costs, cost_names
from kerasnas.tuners.gate import Gate


def test_limits_on_costs_that_are_no_objectives(build, fit, tmp_path):
    tuner = kn.NSGA2(
        build,
        ["val_loss", "params"],
        max_trials=3,
        limits={"ram": 10**9, "macs": 0.5},
        seed=0,
        directory=tmp_path,
    )
    tuner.search(**{**fit, "epochs": 1})
    assert [r["status"] for r in tuner.results()] == ["COMPLETED"] * 3
    assert all(r["metrics"]["ram"] == r["ram_bytes"] for r in tuner.results())
    assert tuner.get_pareto_trials() == []


def test_costs_are_unknown_to_other_tuners(build, fit, tmp_path):
    oracle = oracles.NSGA2Oracle(["val_loss", "flash"], max_trials=2)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory=tmp_path)
    with pytest.raises(RuntimeError, match=r"all 2 failed.*\n.*\n.*") as caught:
        tuner.search(**fit)
    assert "only kerasnas.Tuner reports" in str(caught.value)
    assert {trial.status for trial in oracle.trials.values()} == {"FAILED"}
    assert "only kerasnas.Tuner reports" in oracle.trials["0"].message


class Oracle:
    """What is asked of an oracle, which limits the RAM."""

    limits = ((keras_tuner.Objective("ram", "min"), 64),)

    def __init__(self, objective):
        self.objective = keras_tuner.Objective(objective, "min")


@pytest.fixture
def gate():
    space = keras_tuner.HyperParameters()

    class Small(keras_tuner.HyperModel):
        def build(self, hp):
            units = hp.Int("units", 1, 9)
            return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])

    return Gate(Small(), lambda: space)


def trial_of(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return Trial(hp, "0", "RUNNING")


def test_objectives_and_limits_are_what_an_oracle_must_be_told():
    assert cost_names(Oracle("flash")) == ["flash", "ram"]
    assert cost_names(Oracle("val_loss")) == ["ram"]


def test_costs_are_those_of_the_network_whatever_it_is_trained(gate):
    costs = Costs(Oracle("params"), gate)
    found = costs.of(trial_of(units=3, **{"tuner/epochs": 7}))
    assert found == costs.of(trial_of(units=3))
    assert (found["params"], found["macs"]) == (15, 12)
    told = costs.objectives(trial_of(units=3), None)
    assert told == {"params": 15, "ram": found["ram_bytes"]}


def test_a_cost_that_is_not_known_fails_the_trial(gate):
    assert Costs(Oracle("val_loss"), None).of(trial_of(units=3)) == {}
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="not known: ram"):
        Costs(Oracle("val_loss"), None).objectives(trial_of(units=3), None)
