import keras
import numpy as np
import pytest

from kerasnas.compression.scoring import Scorer, drop, first_metric

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


def test_scores_heed_weights():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    model.compile(loss="mse", weighted_metrics=["mae"])
    found = Scorer(model).score(np.zeros((2, 1)), np.array([[1.0], [3.0]]), np.array([1.0, 0.0]))
    assert found == {"loss": 0.5, "mae": 1.0}


def test_a_metric_that_cannot_be_made_again():
    def own(y_true, y_pred):
        return keras.ops.mean(y_true - y_pred)

    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile(loss="mse", metrics=[own])
    with pytest.raises(ValueError, match="register_keras_serializable"):
        Scorer(model)


def test_first_metric():
    assert first_metric({"loss": 1.0, "a_loss": 0.5, "accuracy": 0.1}) == "accuracy"
    assert first_metric({"accuracy": 0.1, "loss": 1.0, "top": 2.0}) == "accuracy"
    assert first_metric({"loss": 1.0}) == "loss"


@pytest.mark.parametrize("metric", ["accuracy", "auc", "kind_accuracy", "f1_score", "r2_score"])
def test_drop_of_what_should_be_large(metric):
    assert drop(metric, 0.9, 0.8) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "metric", ["loss", "mae", "size_mse", "mean_squared_error", "false_positives"]
)
def test_drop_of_what_should_be_small(metric):
    assert drop(metric, 0.8, 0.9) == pytest.approx(0.1)
