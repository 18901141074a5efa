import keras
import numpy as np
import pytest
import tf_keras

import kerasnas as kn
from kerasnas.compression.training import legacy_loss, legacy_loss_weights

L = keras.layers


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("sparse_categorical_crossentropy", "kinds"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "kinds"),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "one-hot"),
        (keras.losses.Huber(delta=0.3), "one-hot"),
        (lambda y_true, y_pred: keras.ops.mean(keras.ops.square(y_true - y_pred)), "one-hot"),
    ],
)
@pytest.mark.parametrize("backend", ["tensorflow", "other"])
def test_loss_is_the_same(monkeypatch, loss, y, backend):
    keras.utils.set_random_seed(0)
    last = "linear" if getattr(loss, "_fn_kwargs", {}).get("from_logits") else "softmax"
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation=last)])
    model.compile(loss=loss)
    if backend == "other":
        monkeypatch.setattr("keras.backend.backend", lambda: "jax")
        if not isinstance(loss, str | keras.losses.Loss):
            with pytest.raises(ValueError, match="must be one that tf_keras has too"):
                legacy_loss(model)
            return
    carried = legacy_loss(model)
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    x, kinds = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    target = kinds if y == "kinds" else np.eye(3)[kinds]
    passing = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.Activation("linear")])
    passing.compile(loss=carried)
    got = passing.evaluate(model.predict(x, verbose=0), target, verbose=0, batch_size=20)
    assert got == pytest.approx(model.evaluate(x, target, verbose=0, batch_size=20), rel=1e-5)


def test_losses_by_output_name_are_put_in_order():
    x = keras.Input((4,))
    model = keras.Model(x, {"b": L.Dense(1, name="b")(x), "a": L.Dense(1, name="a")(x)})
    model.compile(loss={"b": "mae", "a": "mse"}, loss_weights={"b": 2.0, "a": 1.0})
    wanted = {"a": ("mean_squared_error", 1.0), "b": ("mean_absolute_error", 2.0)}
    found = zip(legacy_loss(model), legacy_loss_weights(model), strict=True)
    assert [(loss.__name__, weight) for loss, weight in found] == [
        wanted[name] for name in model.output_names
    ]


def test_unknown_loss():
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    model.compile(loss="circle")
    with pytest.raises(ValueError, match=r"unknown to tf_keras\. Received: 'circle'"):
        legacy_loss(model)


@pytest.mark.parametrize(
    "step",
    [
        kn.Quantize("int8", epochs=2),
        kn.Prune(0.5, epochs=2),
        kn.PruneStructured(0.5, epochs=3),
    ],
    ids=lambda step: step.name,
)
def test_a_short_fine_tuning_leaves_statistics_that_fit_its_weights(step):
    """39 steps leave two thirds of the initial statistics, which are far from these values."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 480)
    waves = np.sin(np.arange(8))[None, :, None, None] * y[:, None, None, None]
    x = (30 + 50 * (waves + 0.3 * rng.normal(size=(480, 8, 8, 1)))).astype("float32")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1))]
    for _ in range(2):
        layers += [L.Conv2D(8, 3, use_bias=False), L.BatchNormalization(), L.ReLU()]
    model = keras.Sequential([*layers, L.GlobalAveragePooling2D(), L.Dense(2, "softmax")])
    rate = keras.optimizers.Adam(0.01)
    model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, validation = (x[:400], y[:400]), (x[400:], y[400:])
    model.fit(*train, epochs=3, verbose=0)
    assert model.evaluate(*validation, verbose=0)[1] < 0.7
    small = kn.compress(model, [step], train_data=train, validation_data=validation)
    assert small.evaluate(*validation)["accuracy"] > 0.9
