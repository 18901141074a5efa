import keras_tuner
import pytest

from kerasnas import oracles
from kerasnas.oracles.engine.objectives import members, resolve


def test_costs_are_minimised_and_a_list_of_one_is_that_one():
    found = resolve(["val_accuracy", "flash"])
    assert [(o.name, o.direction) for o in found] == [("val_accuracy", "max"), ("flash", "min")]
    assert resolve(["val_accuracy"]).name == "val_accuracy"
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


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_f1_score", "max"),
        ("val_mean_io_u", "max"),
        ("val_r2_score", "max"),
        ("val_pearson_correlation", "max"),
        ("val_kind_accuracy", "max"),
        ("val_weighted_acc", "max"),
        ("val_auc_1", "max"),
        ("val_kind_loss", "min"),
        ("val_log_cosh", "min"),
        ("val_dice", "min"),
    ],
)
def test_metrics_point_where_keras_says(name, direction):
    """KerasTuner alone would make an F1 score as small as possible."""
    for oracle in (oracles.RandomOracle(name), oracles.NSGA2Oracle([name, "flash"])):
        first = members(oracle.objective)[0]
        assert (first.name, first.direction) == (name, direction)
    (limit,) = oracles.NSGA2Oracle("val_loss", limits={name: 0.5}).limits
    assert limit[0].direction == direction


def test_other_metrics_of_a_trial_point_where_they_should(tmp_path):
    oracle = oracles.RandomOracle("val_loss", max_trials=1, seed=0)
    oracle._set_project_dir(str(tmp_path), "run")
    trial = oracle.create_trial("tuner")
    for step, score in enumerate((0.2, 0.9, 0.5)):
        oracle.update_trial(trial.trial_id, {"val_loss": 1.0, "val_f1_score": score}, step)
    assert oracle.get_trial(trial.trial_id).metrics.get_best_value("val_f1_score") == 0.9


def test_limits_on_a_file():
    oracle = oracles.NSGA2Oracle("val_accuracy", limits={"tflite_size": 8000})
    assert [(one.name, one.direction) for one, _ in oracle.limits] == [("tflite_size", "min")]


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (keras_tuner.Objective("tflite_size", "max"), "always minimised"),
        ("val_mine", r'Objective\("val_mine", "max"\) or "min"'),
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
    ],
)
def test_a_strategy_of_one_objective_refuses_two(oracle):
    with pytest.raises(ValueError, match=r"one objective. Use NSGA2Oracle .*'flash'"):
        oracle(["val_accuracy", "flash"])


def test_a_direction_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r'"min" or "max".*direction="largest"'):
        resolve(keras_tuner.Objective("val_f1", "largest"))


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_f1", "max"),
        ("val_size_f1_score", "max"),
        ("val_size_mae", "min"),
        ("val_a_auc", "max"),
    ],
)
def test_known_metrics_tell_their_direction_of_an_output_too(name, direction):
    assert resolve(name).direction == direction


def test_unknown_ones_name_the_way_out():
    with pytest.raises(ValueError, match=r'kn\.Objective\("val_oddness", "max"\) or "min"'):
        resolve("val_oddness")
