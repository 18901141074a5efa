"""What `compress` takes as data: weights of samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnas as kn
from kerasnas.compression.auto import Auto
from kerasnas.compression.sensitivity import sensitivity
from kerasnas.data.dataset import dataset
from kerasnas.export import data_hash

L = keras.layers
OFF = 50.0


@pytest.fixture
def half_wrong(rng):
    """Samples of which every second is wrong, and weighs nothing."""
    x = rng.normal(size=(128, 8)).astype("float32")
    y = x[:, :1] + np.tile([[0.0], [OFF]], (64, 1)).astype("float32")
    return x, y, np.tile([1.0, 0.0], 64)


def network(loss="mse", outputs=1):
    keras.utils.set_random_seed(0)
    x = keras.Input((8,))
    y = L.Dense(16, activation="relu")(L.Dense(16, activation="relu")(x))
    y = [L.Dense(1, name=f"out{index}")(y) for index in range(outputs)]
    model = keras.Model(x, y if outputs > 1 else y[0])
    model.compile("adam", loss, weighted_metrics=[["mae"]] * outputs if outputs > 1 else ["mae"])
    return model


@keras.saving.register_keras_serializable("test_data")
class Own(keras.losses.Loss):
    """Its call is overridden, as a loss may."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


FEW = {"epochs": 30, "learning_rate": 0.01}
AFTER = kn.Quantize(method="ptq")


@pytest.mark.parametrize(
    ("recipe", "loss"),
    [
        ([kn.Prune(layers={"*": 0.25}, **FEW), AFTER], "mse"),
        pytest.param([kn.Cluster(16, **FEW), AFTER], Own(), marks=pytest.mark.slow),
        ([kn.Quantize(**FEW)], keras.losses.MeanSquaredError()),
        pytest.param([kn.PruneStructured(0.75, **FEW), AFTER], "mse", marks=pytest.mark.slow),
        pytest.param([kn.Distill(mix=0.0, **FEW), AFTER], Own(), marks=pytest.mark.slow),
        ([kn.Distill(mix=0.0), kn.PruneStructured(0.75, **FEW), AFTER], "mse"),
    ],
    ids=["prune", "cluster", "quantize", "structured", "distill", "guided"],
)
def test_training_learns_nothing_from_samples_that_weigh_nothing(recipe, loss, half_wrong):
    x, y, _ = half_wrong
    small = kn.compress(network(loss), recipe, train_data=half_wrong, validation_data=half_wrong)
    right = np.abs(small.predict(x[::2]) - y[::2]).mean()
    assert right < 1, "every second sample would take the outputs to 25"
    # The report is that of the samples that weigh something.
    assert small.report[-1]["metric"] == "mae"
    assert small.report[-1]["value"] == pytest.approx(right, rel=1e-3)
    assert small.evaluate(*half_wrong)["mae"] == pytest.approx(right, rel=1e-3)
    assert small.evaluate(x, y)["mae"] > OFF / 4


def test_batches_and_targets_by_name(half_wrong):
    x, y, weights = half_wrong
    both = {"out0": y, "out1": -y}
    by_name = (x, both, {"out0": weights, "out1": weights})
    recipe = [kn.Quantize(epochs=2)]
    batches = tf.data.Dataset.from_tensor_slices(by_name).batch(50)
    model = network(outputs=2)
    first, second, third = (
        kn.compress(model, recipe, train_data=data, validation_data=data)
        for data in (by_name, batches, (x, [y, -y], weights))
    )
    assert first.tflite == second.tflite == third.tflite
    assert first.report == second.report == third.report
    assert first.origin.data == second.origin.data


def test_weights_are_part_of_the_identity(half_wrong):
    x, y, weights = half_wrong
    hashes = {data_hash(x, y), data_hash(x, y, weights), data_hash(x, y, 2 * weights)}
    assert len(hashes) == 3
    assert data_hash(x, y) == data_hash(x, y, None)


def test_sensitivity_weighs_samples(half_wrong):
    x, y, _ = half_wrong
    model = network()
    given = dataset("data", half_wrong, model)
    right = dataset("data", (x[::2], y[::2]), model)
    for name, costs in sensitivity(model, given).items():
        assert costs == pytest.approx(sensitivity(model, right)[name], rel=1e-3)


@pytest.mark.slow
def test_the_search_for_a_recipe_weighs_samples(half_wrong):
    x, y, _ = half_wrong
    model = network()
    small = kn.compress(
        model, Auto(epochs=1), train_data=half_wrong, validation_data=half_wrong, tolerance=0.5
    )
    error = np.abs(small.predict(x[::2]) - y[::2]).mean()
    assert error < 3
    assert small.report[-1]["value"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(127), r"weights of shape \(128,\)\. Received: shape \(127,\)"),
        (np.ones((128, 3)), r"Received: shape \(128, 3\)"),
        (np.float32(2), r"Received: shape \(\)"),
        (np.zeros(128), "not all 0. Received: zeros"),
        (np.full(128, np.nan), "Received: NaN"),
        ({"other": np.ones(128)}, r"each of the outputs \['dense_2'\]. Received: \['other'\]"),
    ],
)
def test_weights_that_do_not_fit_are_an_error(weights, message, half_wrong):
    x = keras.Input((8,))
    model = keras.Model(x, L.Dense(1, name="dense_2")(x))
    with pytest.raises(ValueError, match=f"`train_data`.*{message}"):
        dataset("train_data", (*half_wrong[:2], weights), model)


def test_weights_of_steps(rng):
    x = keras.Input((6, 4))
    model = keras.Model(x, L.Dense(3)(x))
    given = rng.normal(size=(5, 6, 4)), np.zeros((5, 6, 3))
    for shape in ((5,), (5, 1), (5, 6), (5, 6, 1)):
        assert dataset("data", (*given, np.ones(shape)), model).sample_weight.shape == shape
    with pytest.raises(ValueError, match=r"up to \(5, 6\). Received: shape \(5, 3\)"):
        dataset("data", (*given, np.ones((5, 3))), model)
