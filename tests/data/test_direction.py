import keras
import numpy as np
import pytest

from kerasnas.data.direction import direction, metric_named, of_metric, stated
from kerasnas.data.scoring import Scorer
from kerasnas.oracles.engine.objectives import direction as of_objective
from kerasnas.runtime.session import clear_session

LOSSES, METRICS = keras.losses, keras.metrics

NEEDS = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}
OF_NO_KIND = ("Metric", "Mean", "Sum", "MeanMetricWrapper")
OWN = [
    name
    for name, value in vars(METRICS).items()
    if isinstance(value, type) and issubclass(value, METRICS.Metric) and name not in OF_NO_KIND
]


@pytest.fixture(autouse=True)
def names_without_numbers():
    """Keras numbers the metrics of a process by name."""
    clear_session()
    yield
    clear_session()


@pytest.mark.parametrize("kind", OWN)
def test_the_names_of_keras_point_where_its_metrics_do(kind):
    metric = getattr(METRICS, kind)(**NEEDS.get(kind, {}))
    known = {"up": "max", "down": "min"}.get(getattr(metric, "_direction", None))
    found = direction(metric.name)
    assert found in ("min", "max")
    assert found == of_metric(metric) == (known or found)
    for name in (f"val_{metric.name}", f"val_error_{metric.name}", f"{metric.name}_1"):
        assert direction(name) == direction(name, [metric]) == found
    assert of_objective(f"val_tflite_{metric.name}") == found


@pytest.mark.parametrize(
    "name", [n for n, v in vars(LOSSES).items() if callable(v) and not isinstance(v, type)]
)
def test_losses_of_keras_are_to_be_small(name):
    function = getattr(LOSSES, name)
    if name in ("get", "serialize", "deserialize"):
        return
    assert of_metric(function) == direction(name, [function]) == "min"
    # Of that name there is a metric too, of the other sign, which a name alone means.
    assert direction(name) == ("max" if name == "cosine_similarity" else "min")


def dice(y_true, y_pred):
    return keras.ops.mean(y_true * y_pred)


def mine(y_true, y_pred):
    return keras.ops.mean(y_true * y_pred)


def my_accuracy(y_true, y_pred):
    return keras.ops.mean(y_true * y_pred)


class Gain(METRICS.Mean):
    _direction = "up"


class Lag(LOSSES.Loss):
    pass


@pytest.mark.parametrize(
    ("metric", "name", "expected"),
    [
        (LOSSES.dice, "dice", "min"),
        (LOSSES.Dice(), "dice", "min"),
        (LOSSES.Dice(name="overlap_score"), "overlap_score", "min"),
        (LOSSES.cosine_similarity, "cosine_similarity", "min"),
        ("cosine_similarity", "cosine_similarity", "max"),
        (METRICS.MeanMetricWrapper(LOSSES.huber, name="score"), "score", "min"),
        (METRICS.MeanMetricWrapper(dice, name="overlap"), "overlap", None),
        (METRICS.AUC(name="error"), "error", "max"),
        (dice, "dice", None),
        (mine, "mine", None),
        (my_accuracy, "my_accuracy", "max"),
        (Gain(name="loss_of_speed"), "loss_of_speed", "max"),
        (Gain, "gain", "max"),
        (Lag(name="f1"), "f1", "min"),
        ("acc", "acc", "max"),
        ("MSE", "MSE", "min"),
    ],
)
def test_the_metric_itself_says_more_than_its_name(metric, name, expected):
    for structure in ([metric], ["mse_of_another", metric], {"kind": [metric], "size": None}):
        for log in (name, f"val_{name}", f"val_tflite_{name}", f"weighted_{name}", f"kind_{name}"):
            assert direction(log, structure) == expected
    assert direction(f"val_{name}_1", [metric, metric]) == expected


def test_the_longest_name_of_an_output_is_meant():
    metrics = [METRICS.AUC(name="rate"), METRICS.MeanSquaredError(name="error_rate")]
    assert direction("val_kind_error_rate", metrics) == "min"
    assert direction("val_kind_rate", metrics) == "max"
    assert metric_named("val_other", metrics) is None


@pytest.mark.parametrize("name", ["oddness", "val_mine", "lr", "tflite_oddness", "", "val_"])
def test_what_nothing_tells(name):
    assert direction(name) is None
    assert direction(name, [mine, None, METRICS.Mean(name="oddness")]) is None
    assert stated(mine) is None


@pytest.mark.parametrize(
    "metric",
    [LOSSES.dice, "cosine_similarity", LOSSES.cosine_similarity, dice, "mae", METRICS.F1Score()],
)
def test_compression_says_the_same(metric):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(loss="mse", metrics=[metric])
    scorer = Scorer(model)
    name = next(n for n in scorer.score(np.eye(2), np.eye(2)) if n != "loss")
    assert scorer.direction(name) == direction(f"val_{name}", [metric])
