import keras_tuner
import pytest

from kerasnas import oracles
from kerasnas.oracles.objectives import members, resolve


def test_costs_are_minimised_and_a_list_of_one_is_that_one():
    metric, cost = resolve(["val_accuracy", "flash"])
    assert (metric, cost.name, cost.direction) == ("val_accuracy", "flash", "min")
    assert resolve(["val_accuracy"]) == "val_accuracy"
    assert resolve(None) is None


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ([], "list of different metrics"),
        (["val_loss", "val_loss"], "list of different metrics"),
        (keras_tuner.Objective("flash", "max"), "always minimised"),
    ],
)
def test_bad_objectives(objective, message):
    with pytest.raises(ValueError, match=message):
        resolve(objective)


def test_members():
    oracle = oracles.NSGA2Oracle(["val_accuracy", "ram"])
    assert [one.name for one in members(oracle.objective)] == ["val_accuracy", "ram"]
    single = oracles.RandomOracle("val_loss")
    assert [one.name for one in members(single.objective)] == ["val_loss"]


@pytest.mark.parametrize(
    "oracle",
    [
        oracles.EvolutionOracle,
        oracles.GreedyOracle,
        oracles.HyperbandOracle,
        oracles.PredictorOracle,
        oracles.RandomOracle,
    ],
)
def test_a_strategy_of_one_objective_refuses_two(oracle):
    with pytest.raises(ValueError, match=r"one objective. Use NSGA2Oracle .*'flash'"):
        oracle(["val_accuracy", "flash"])
