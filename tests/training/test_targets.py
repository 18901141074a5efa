"""Smoothed and blended targets: the loss is that of shares of classes, metrics mean the same."""

import keras
import numpy as np
import pytest

from kerasnas.training.targets import checked_targets, soft_targets, targets_of

CLASSES = 4


def network(last="softmax", units=CLASSES):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation=last)])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, rng.integers(0, CLASSES, 24), rng.uniform(0.5, 2, 24).astype("float32")


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_smoothed_integer_classes_train_as_keras_smooths_one_hot_ones(
    data, logits, column, weighted
):
    x, y, weights = data
    weights = weights if weighted else None
    model = network(None if logits else "softmax")
    smooth = keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=0.2)
    model.compile("sgd", smooth)
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    expected = model.fit(x, one_hot, sample_weight=weights, epochs=2, shuffle=False, verbose=0)
    model = network(None if logits else "softmax")
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile("sgd", plain, metrics=["accuracy"])
    given = y[:, None] if column else y
    before = model.evaluate(x, given, verbose=0)
    with soft_targets(model, checked_targets(model, 0.2, False), 0.2):
        assert model.evaluate(x, given, verbose=0) == pytest.approx(before), "validation is plain"
        found = model.fit(x, given, sample_weight=weights, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], rtol=1e-5)
    assert model.loss is plain
    assert model.fit(x, given, verbose=0).history["loss"][0] == pytest.approx(
        float(plain(given, network_output(model, x))), abs=0.2
    )


def network_output(model, x):
    return model.predict(x, verbose=0)


def test_a_penalty_of_the_weights_is_still_in_the_loss(data):
    x, y, _ = data

    def trained(smoothing):
        keras.utils.set_random_seed(0)
        layer = keras.layers.Dense(CLASSES, activation="softmax", kernel_regularizer="l2")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile("sgd", "sparse_categorical_crossentropy")
        targets = checked_targets(model, smoothing, True)
        with soft_targets(model, targets, smoothing, in_column=False):
            return model.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"]

    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(CLASSES, activation="softmax", kernel_regularizer="l2")
    plain = keras.Sequential([keras.Input((3,)), layer])
    plain.compile("sgd", "sparse_categorical_crossentropy")
    expected = plain.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(trained(0.0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "last", "units"),
    [
        ("sparse_categorical_crossentropy", "softmax", CLASSES),
        ("categorical_crossentropy", "softmax", CLASSES),
        ("binary_crossentropy", "sigmoid", 1),
        ("mse", None, 1),
    ],
)
def test_accuracy_of_blended_targets_is_that_of_their_larger_share(data, loss, last, units):
    x, y, _ = data
    model = network(last, units)
    metric = "mae" if loss == "mse" else "accuracy"
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[metric])
    targets = checked_targets(model, 0.0, True)
    hard = y if units > 1 else (y > 1).astype("float32")
    if loss == "categorical_crossentropy":
        hard = np.eye(CLASSES, dtype="float32")[y]
    expected = model.evaluate(x, hard, verbose=0)[1]
    shares = targets.shares(hard)
    blended = shares if loss == "mse" else 0.7 * shares + 0.3 * targets.shares(hard[::-1])
    with soft_targets(model, targets, 0.0, in_column=False):
        history = model.fit(x, blended, validation_data=(x, hard), verbose=0).history
    assert history[metric][0] == pytest.approx(expected, abs=1e-5)
    assert history[f"val_{metric}"][0] == pytest.approx(expected, abs=1e-5)


def test_shares_of_classes_of_every_form():
    targets = targets_of("sparse_categorical_crossentropy", (None, 3))
    expected = [[0, 0, 1], [1, 0, 0]]
    for y in ([2, 0], [[2], [0]], np.array([2.0, 0.0], "float32")):
        assert targets.shares(y).tolist() == expected
    assert targets.shares([[[2, 0]]]).shape == (1, 1, 2, 3)
    smooth = targets.smoothed(targets.shares([2]), 0.3)
    np.testing.assert_allclose(smooth, [[0.1, 0.1, 0.8]], rtol=1e-5)
    yes = targets_of("binary_crossentropy", (None, 1))
    np.testing.assert_allclose(yes.smoothed(yes.shares([[1], [0]]), 0.2), [[0.9], [0.1]], rtol=1e-5)


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


@pytest.mark.parametrize(
    ("model", "loss", "smoothing", "complaint"),
    [
        (network(), lambda y, p: keras.ops.mean(p), 0.1, "`label_smoothing`.*cross-entropy"),
        (network(None, 1), "mse", 0.1, "`label_smoothing`.*cross-entropy"),
        (network(), lambda y, p: keras.ops.mean(p), 0.0, "`augmentation`.*two samples"),
        (OwnStep([keras.Input((3,)), keras.layers.Dense(2)]), "mse", 0.0, "train_step"),
    ],
)
def test_what_cannot_be_done_is_refused(model, loss, smoothing, complaint):
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match=complaint):
        checked_targets(model, smoothing, mixes=not smoothing)


def test_several_outputs_are_refused():
    entry = keras.Input((3,))
    ends = [keras.layers.Dense(2, activation="softmax", name=name)(entry) for name in "ab"]
    model = keras.Model(entry, ends)
    model.compile("sgd", ["sparse_categorical_crossentropy"] * 2)
    with pytest.raises(ValueError, match="one output"):
        checked_targets(model, 0.1, False)
    assert checked_targets(model, 0.0, False) is None
