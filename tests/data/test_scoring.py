import keras
import numpy as np
import pytest

from kerasnas.data.dataset import dataset
from kerasnas.data.scoring import Scorer, distinct, drop, first_metric

L = keras.layers


@pytest.mark.parametrize("several", [False, True])
def test_scores_as_the_model_itself(several):
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    one, two = L.Dense(3, activation="softmax", name="kind")(x), L.Dense(1, name="size")(x)
    rng = np.random.default_rng(0)
    data, kinds, sizes = rng.normal(size=(64, 4)), rng.integers(0, 3, 64), rng.normal(size=(64, 1))
    top = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")
    if several:
        model = keras.Model(x, {"kind": one, "size": two})
        loss = {"kind": "sparse_categorical_crossentropy", "size": keras.losses.Huber()}
        model.compile(loss=loss, metrics={"kind": ["accuracy", top], "size": "mae"})
        y = {"kind": kinds, "size": sizes}
    else:
        model = keras.Model(x, one)
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy", top])
        y = kinds
    want = model.evaluate(data, y, verbose=0, return_dict=True)
    predictions = keras.tree.flatten(model.predict(data, verbose=0))
    got = Scorer(model).score(predictions, [y[n] for n in model.output_names] if several else y)
    assert got == pytest.approx(want, rel=1e-4)


def test_one_layer_may_make_several_outputs():
    a, b, dense = keras.Input((4,)), keras.Input((4,)), L.Dense(1, name="size")
    model = keras.Model([a, b], [dense(a), dense(b), L.Dense(1, name="size_1")(a)])
    model.compile(loss="mse", metrics=[["mae"], ["mae"], ["mae"]])
    predictions = [np.full((2, 1), value) for value in (1.0, 2.0, 3.0)]
    found = Scorer(model).score(predictions, [np.zeros((2, 1))] * 3)
    assert [found[f"{name}_mae"] for name in ("size", "size_2", "size_1")] == [1, 2, 3]


def test_scores_heed_weights():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    model.compile(loss="mse", weighted_metrics=["mae"])
    found = Scorer(model).score(np.zeros((2, 1)), np.array([[1.0], [3.0]]), np.array([1.0, 0.0]))
    assert found == {"loss": 0.5, "mae": 1.0}


def test_a_function_of_the_user_is_what_is_scored():
    """It need not be registered, and Keras's own function of its name does not take its place."""

    def dice(y_true, y_pred):
        return keras.ops.mean(y_true - y_pred) + 7

    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile(loss="mse", metrics=[dice, keras.metrics.MeanMetricWrapper(dice, name="again")])
    found = Scorer(model).score(np.zeros((2, 1)), np.ones((2, 1)))
    assert found == {"loss": 1.0, "dice": 8.0, "again": 8.0}


def test_a_metric_that_cannot_be_made_again():
    class Own(keras.metrics.Mean):
        def __init__(self, weight):
            super().__init__(name="own")

    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile(loss="mse", metrics=[Own(3)])
    with pytest.raises(ValueError, match=r"'own' cannot: give Own a `get_config`"):
        Scorer(model)


def test_first_metric():
    assert first_metric({"loss": 1.0, "a_loss": 0.5, "accuracy": 0.1}) == "accuracy"
    assert first_metric({"accuracy": 0.1, "loss": 1.0, "top": 2.0}) == "accuracy"
    assert first_metric({"loss": 1.0}) == "loss"


METRICS = {
    "max": ["accuracy", keras.metrics.AUC(name="error_auc"), keras.metrics.R2Score()],
    "min": ["mae", keras.metrics.LogCoshError(), keras.metrics.MeanAbsoluteError(name="distance")],
}


@pytest.mark.parametrize("direction", METRICS)
def test_direction_is_the_metrics_own(direction):
    # Neither the name that a user gives nor that of an output says anything.
    x = keras.Input((3,))
    out = keras.layers.Dense(1, activation="sigmoid", name="error_type")(x)
    model = keras.Model(x, {"error_type": out, "other": keras.layers.Dense(1, name="other")(x)})
    model.compile(loss="mse", metrics={"error_type": METRICS[direction]})
    scorer = Scorer(model)
    logs = scorer.score([np.full((4, 1), 0.5)] * 2, [np.ones((4, 1))] * 2)
    named = [n for n in logs if n.startswith("error_type_") and not n.endswith("_loss")]
    assert len(named) == 3
    assert [scorer.direction(name) for name in named] == [direction] * 3
    assert scorer.direction("loss") == scorer.direction("other_loss") == "min"


def test_the_first_metric_is_the_one_compiled_first():
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", metrics=[keras.metrics.Recall(), "accuracy"])
    found = Scorer(model).score(np.zeros((2, 1)), np.ones((2, 1)))
    assert first_metric(found) == "recall"


def test_the_first_metric_of_several_outputs():
    x = keras.Input((4,))
    model = keras.Model(x, {"b": L.Dense(1, name="b")(x), "a": L.Dense(1, name="a")(x)})
    model.compile(loss="mse", metrics={"b": ["mse", "mae"], "a": ["mae"]})
    predictions = [np.zeros((2, 1))] * 2
    names = list(Scorer(model).score(predictions, predictions))
    first = {"a": "a_mae", "b": "b_mse"}[model.output_names[0]]
    assert first_metric(dict.fromkeys(names, 0.0)) == first


def test_a_metric_of_several_values_counts_by_its_mean():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, activation="softmax")])
    model.compile(loss="categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    found = Scorer(model).score(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found["f1_score"] == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    ("name", "direction"),
    [("brier_score", "min"), ("rmse_score", "min"), ("inaccuracy", "min"), ("auc_1", "max")],
)
def test_directions_that_a_name_tells(name, direction):
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile(loss="mse")
    assert Scorer(model).direction(name) == direction


@keras.saving.register_keras_serializable("kerasnas_tests")
def oddness(y_true, y_pred):
    return keras.ops.mean(y_true - y_pred)


def test_a_direction_that_nothing_tells():
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile(loss="mse", metrics=[oddness])
    scorer = Scorer(model)
    scorer.score(np.zeros((2, 1)), np.zeros((2, 1)))
    assert scorer.direction("oddness") is None


def test_drop():
    assert drop("a", "max", 0.9, 0.8) == pytest.approx(0.1)
    assert drop("a", "min", 0.9, 0.8) == pytest.approx(-0.1)


@pytest.mark.parametrize(
    "structure",
    [
        lambda a, b, c: [a, b, c],
        lambda a, b, c: {"q": a, "p": b, "r": c},
        lambda a, b, c: {"z": a, "b": b, "m": c},
        lambda a, b, c: {"z": [a, b], "m": c},
    ],
)
def test_every_output_meets_its_own_target(structure):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)).astype("float32")
    entered = keras.Input((5,))
    ends = [keras.layers.Dense(2, name=name)(entered) for name in ("z", "b", "m")]
    # Targets of other sizes: a swapped pair gives another loss.
    y = structure(*(rng.normal(size=(64, 2)).astype("float32") * s for s in (1, 10, 100)))
    model = keras.Model(entered, structure(*ends))
    model.compile(loss=structure("mse", "mae", "mse"), metrics=structure(["mae"], ["mse"], []))
    found = dataset("data", (x, y), model)
    predicted = keras.tree.flatten(model.predict(x, verbose=0))
    want = model.evaluate(x, y, verbose=0, return_dict=True)
    assert Scorer(model).score(predicted, found.y) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("named", [False, True])
def test_weights_of_several_outputs(named, rng):
    x = keras.Input((4,))
    ends = [L.Dense(1, name=name)(x) for name in ("one", "two")]
    model = keras.Model(x, dict(zip(("one", "two"), ends, strict=True)) if named else ends)
    model.compile("adam", {"one": "mse", "two": "mse"})
    targets = [np.zeros((10, 1)), np.zeros((10, 1))]
    predictions = [np.arange(10.0)[:, None], np.ones((10, 1))]
    weights = [np.eye(10)[3], np.eye(10)[0]]
    score = Scorer(model).score(predictions, targets, weights)
    assert score["loss"] == pytest.approx((3**2 + 1) / 10)


@pytest.mark.parametrize(
    ("names", "told_apart"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a_1", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a_1", "a", "a", "a_1"], ["a_1", "a", "a_2", "a_1_1"]),
    ],
)
def test_names_are_told_apart(names, told_apart):
    assert distinct(names) == told_apart
