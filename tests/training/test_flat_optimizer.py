"""Weights that are updated as one vector: the same numbers as Keras's, whatever the optimizer."""

import contextlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training.flat_optimizer import FlatOptimizer, can_be_flat, flat_updates

if keras.backend.backend() != "tensorflow":
    pytest.skip("updates are joined on TensorFlow only", allow_module_level=True)

OPTIMIZERS = keras.optimizers
MAKERS = {
    "sgd": lambda: OPTIMIZERS.SGD(1e-2),
    "nesterov": lambda: OPTIMIZERS.SGD(1e-2, momentum=0.9, nesterov=True),
    "decayed_sgd": lambda: OPTIMIZERS.SGD(1e-2, momentum=0.5, weight_decay=0.1),
    "rmsprop": lambda: OPTIMIZERS.RMSprop(1e-3, momentum=0.5, centered=True),
    "adagrad": lambda: OPTIMIZERS.Adagrad(1e-2),
    "adadelta": lambda: OPTIMIZERS.Adadelta(1.0),
    "adam": lambda: OPTIMIZERS.Adam(1e-2),
    "amsgrad": lambda: OPTIMIZERS.Adam(1e-2, amsgrad=True),
    "adamw": lambda: OPTIMIZERS.AdamW(1e-2, weight_decay=0.1),
    "adamax": lambda: OPTIMIZERS.Adamax(1e-2),
    "lion": lambda: OPTIMIZERS.Lion(1e-3),
    "schedule": lambda: OPTIMIZERS.Adam(OPTIMIZERS.schedules.CosineDecay(1e-2, 20)),
    "global_clipnorm": lambda: OPTIMIZERS.Adam(1e-2, global_clipnorm=0.1),
    "clipvalue": lambda: OPTIMIZERS.Adam(1e-2, clipvalue=1e-3),
}


def network(optimizer, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Conv2D(4, 3, use_bias=False),  # Its gradient would be rounding.
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 2)), *layers])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(70, 6, 6, 2)).astype("float32"), rng.integers(3, size=70)
    return {"x": x, "y": y, "shuffle": False, "verbose": 0}


def state(model):
    return [np.array(one) for one in (*model.weights, *model.optimizer.variables)]


def assert_same(model, other):
    for ours, theirs in zip(state(model), state(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", MAKERS)
def test_weights_and_state_are_those_of_the_plain_optimizer(fit, name):
    plain, flat = network(MAKERS[name]()), network(MAKERS[name]())
    plain.fit(**fit, epochs=3)
    optimizer = flat.optimizer
    # The state that one training has led to is that from which the next one goes on.
    for epochs in (1, 2):
        with flat_updates(flat):
            assert isinstance(flat.optimizer, FlatOptimizer)
            flat.fit(**fit, epochs=epochs)
        assert flat.optimizer is optimizer
    assert_same(flat, plain)
    plain.fit(**fit)
    flat.fit(**fit)
    assert_same(flat, plain)


def test_weights_without_decay_keep_none(fit):
    def made():
        model = network(OPTIMIZERS.AdamW(1e-2, weight_decay=0.5))
        model.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return model

    plain, flat = made(), made()
    plain.fit(**fit)
    with flat_updates(flat):
        flat.fit(**fit)
    assert_same(flat, plain)


class Halving(keras.callbacks.Callback):
    """Changes the learning rate and the weights in the middle of a training."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 1e-2 / 2**epoch
        kernel = self.model.weights[0]
        kernel.assign(kernel * 0.5)


def test_callbacks_change_rates_and_weights(fit):
    plain, flat = network("sgd"), network("sgd")
    plain.fit(**fit, epochs=3, callbacks=[Halving()])
    with flat_updates(flat):
        flat.fit(**fit, epochs=3, callbacks=[Halving()])
    assert_same(flat, plain)
    assert float(flat.optimizer.learning_rate) == pytest.approx(1e-2 / 4)


def test_an_interrupted_training_keeps_its_state(fit):
    model = network("adam")
    plain = model.optimizer

    def interrupt(batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt), flat_updates(model):
        model.fit(**fit, callbacks=[stop])
    assert model.optimizer is plain
    assert int(plain.iterations) == 3


@pytest.mark.parametrize("whole", [True, False])
def test_checkpoints_that_a_callback_writes_are_those_of_the_plain_model(fit, tmp_path, whole):
    path = str(tmp_path / ("all.keras" if whole else "all.weights.h5"))
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=not whole)
    model = network("adam")
    with flat_updates(model):
        model.fit(**fit, epochs=2, callbacks=[checkpoint])
    if whole:
        loaded = keras.models.load_model(path)
    else:
        loaded = network("adam", seed=1)
        loaded.optimizer.build(loaded.trainable_variables)
        loaded.load_weights(path)
    assert type(loaded.optimizer) is OPTIMIZERS.Adam
    assert_same(loaded, model)
    # It can be read in the middle of a training, too.
    with flat_updates(loaded):
        loaded.fit(**fit)
        loaded.load_weights(path)
    assert_same(loaded, model)


@settings(max_examples=10, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=0, max_size=3), min_size=2, max_size=5),
    steps=st.integers(1, 3),
    missing=st.integers(0, 4),
)
def test_any_shapes_of_variables_and_gradients_that_are_missing(shapes, steps, missing):
    rng = np.random.default_rng(0)

    def variables():
        return [keras.Variable(np.ones(shape, "float32")) for shape in shapes]

    ours, theirs = variables(), variables()
    plain = OPTIMIZERS.Adam(1e-2)
    plain.build(theirs)
    flat = FlatOptimizer(OPTIMIZERS.Adam(1e-2), ours)
    for _ in range(steps):
        gradients = [rng.normal(size=shape).astype("float32") for shape in shapes]
        plain.apply(
            [g if place != missing else np.zeros_like(g) for place, g in enumerate(gradients)]
        )
        flat.apply([g if place != missing else None for place, g in enumerate(gradients)], ours)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-6)


def test_other_variables_are_refused():
    variables = [keras.Variable([1.0]), keras.Variable([2.0])]
    flat = FlatOptimizer(OPTIMIZERS.Adam(), variables)
    with pytest.raises(ValueError, match=r"compile the model again.*1 variables in the place of 2"):
        flat.apply([np.ones(1, "float32")], variables[:1])


@pytest.mark.parametrize("flat", [False, True])
def test_a_loss_that_no_weight_has_an_effect_on_is_an_error(fit, flat):
    entry = keras.Input((6, 6, 2))
    model = keras.Model(entry, keras.ops.stop_gradient(network("sgd")(entry)))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    block = flat_updates(model) if flat else contextlib.nullcontext()
    with block, pytest.raises(ValueError, match="No gradients provided for any variable"):
        model.fit(**fit)


class Own(keras.optimizers.Adam):
    """A user's optimizer, which may do anything."""


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: OPTIMIZERS.Adam(clipnorm=1.0),
        lambda: OPTIMIZERS.Adam(use_ema=True),
        lambda: OPTIMIZERS.Adam(gradient_accumulation_steps=2),
        lambda: OPTIMIZERS.SGD(loss_scale_factor=64.0),
        lambda: OPTIMIZERS.Adafactor(),
        lambda: OPTIMIZERS.LossScaleOptimizer(OPTIMIZERS.Adam()),
        lambda: Own(),
    ],
)
def test_what_treats_variables_apart_is_left_alone(fit, optimizer):
    model = network(optimizer())
    plain = model.optimizer
    assert not can_be_flat(model)
    with flat_updates(model):
        assert model.optimizer is plain
        model.fit(**fit)


def test_embeddings_constraints_and_models_that_are_not_compiled_are_left_alone():
    embedding = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(9, 2)])
    embedding.compile("adam", "mse")
    bounded = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, kernel_constraint="max_norm")]
    )
    bounded.compile("adam", "mse")
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert not any(can_be_flat(model) for model in (embedding, bounded, plain))
