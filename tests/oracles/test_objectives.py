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
    ("name", "direction"),
    [
        ("val_tflite_accuracy", "max"),
        ("val_tflite_auc", "max"),
        ("val_tflite_loss", "min"),
        ("val_tflite_mae", "min"),
        ("tflite_size", "min"),
        ("tflite_latency_ms", "min"),
    ],
)
def test_what_a_file_scores_points_where_its_metric_does(name, direction):
    found = resolve(name)
    assert (found.name, found.direction) == (name, direction)
    assert resolve(keras_tuner.Objective("val_tflite_mine", "max")).direction == "max"


def test_limits_on_a_file():
    oracle = oracles.NSGA2Oracle("val_accuracy", limits={"tflite_size": 8000})
    assert [(one.name, one.direction) for one, _ in oracle.limits] == [("tflite_size", "min")]


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (keras_tuner.Objective("tflite_size", "max"), "always minimised"),
        ("val_tflite_mine", r'Objective\("val_tflite_mine", "max"\) or "min"'),
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
