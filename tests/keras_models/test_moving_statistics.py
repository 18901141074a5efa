"""Moving statistics: those of the samples given, and nothing else of a model changes."""

import importlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.keras_models.moving_statistics import (
    compute,
    settle,
    training_pass,
    unsettled,
    with_statistics,
)


def statistics(layer):
    return np.array(layer.moving_mean), np.array(layer.moving_variance)


def batches_of(x, *ends):
    return np.split(x, ends)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999]),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    shift=st.sampled_from([0.0, -1.0, 300.0]),
    ends=st.sampled_from([[], [1], [7, 8], [10, 20, 39]]),
)
def test_the_first_layer_gets_the_mean_and_variance_of_all_samples(momentum, scale, shift, ends):
    x = (np.random.default_rng(0).normal(size=(40, 5, 3)) * scale + shift * scale).astype("float32")
    model = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.BatchNormalization(momentum=momentum)]
    )
    compute(model, model.layers, training_pass(model), batches_of(x, *ends))
    mean, variance = statistics(model.layers[0])
    np.testing.assert_allclose(mean, x.mean((0, 1)), rtol=1e-3, atol=1e-3 * scale)
    np.testing.assert_allclose(variance, x.var((0, 1)), rtol=2e-2)


def test_a_layer_that_is_called_three_times_gets_the_average_of_all_calls():
    shared = keras.layers.BatchNormalization(momentum=0.6)
    a = keras.Input((2,))
    outputs = keras.layers.Add()([shared(a), shared(a), shared(a)])
    model = keras.Model(a, outputs)
    x = np.random.default_rng(0).normal(3, 2, size=(64, 2)).astype("float32")
    compute(model, [shared], training_pass(model), batches_of(x, 32))
    mean, variance = statistics(shared)
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-3)
    np.testing.assert_allclose(variance, x.var(0), rtol=1e-2)


class ForInference(keras.layers.Layer):
    """Normalizes with the statistics that it has."""

    def __init__(self):
        super().__init__()
        self.norm = keras.layers.BatchNormalization()

    def call(self, inputs):
        return self.norm(inputs, training=False)


def test_what_is_only_called_for_inference_keeps_what_it_has():
    outer, live = ForInference(), keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), outer, live])
    outer.norm.moving_mean.assign(np.array([3.0, 4.0], "float32"))
    batch = np.ones((8, 2), "float32") * [5.0, 7.0]
    compute(model, [outer.norm, live], training_pass(model), [batch])
    assert statistics(outer.norm)[0].tolist() == [3.0, 4.0]
    assert statistics(outer.norm)[1].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(statistics(live)[0], [2.0, 3.0], rtol=1e-2)


def test_random_states_weights_and_other_layers_stay():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
        ]
    )
    first, last = model.layers[0], model.layers[-1]
    before = {v.path: np.array(v) for v in model.variables}
    compute(model, [last], training_pass(model), [np.random.default_rng(0).normal(size=(9, 4))])
    changed = {v.path for v in model.variables if not np.array_equal(before[v.path], np.array(v))}
    assert changed == {last.moving_mean.path, last.moving_variance.path}
    assert statistics(first)[0].tolist() == [0.0] * 4


def test_a_pass_that_fails_leaves_the_model_as_it_was():
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    calls = []

    def fails(batch):
        model(batch, training=True)
        calls.append(batch)
        if len(calls) == 2:
            raise MemoryError

    with pytest.raises(MemoryError):
        compute(model, model.layers, fails, [np.ones((2, 4), "float32")] * 3)
    assert statistics(model.layers[0])[0].tolist() == [0.0] * 4
    assert statistics(model.layers[0])[1].tolist() == [1.0] * 4


def test_frozen_layers_and_those_that_use_them_in_training_are_no_such_layers():
    frozen = keras.layers.BatchNormalization()
    frozen.trainable = False
    renormalizes = keras.layers.BatchNormalization(renorm=True)
    plain = keras.layers.BatchNormalization()
    layers = [frozen, renormalizes, plain, keras.layers.Dense(2), keras.layers.Normalization()]
    model = keras.Sequential([keras.Input((2,)), *layers])
    assert with_statistics(model) == [plain]


@pytest.mark.parametrize(
    ("momentum", "steps", "settles"),
    [(0.99, 157, False), (0.99, 700, True), (0.9, 35, False), (0.9, 66, True), (0.0, 1, True)],
)
def test_how_many_steps_settle_a_momentum(momentum, steps, settles):
    layer = keras.layers.BatchNormalization(momentum=momentum)
    outer = keras.Sequential([keras.Input((2,)), keras.Sequential([layer])])
    assert unsettled(outer, steps) == ([] if settles else [layer])


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_after_a_short_training_of_either_keras_they_are_those_of_the_data(library):
    module = importlib.import_module(library)
    model = module.Sequential(
        [module.layers.Input((3,)), module.layers.BatchNormalization(), module.layers.Dropout(0.5)]
    )
    x = np.sort(np.random.default_rng(0).normal(7, 3, size=(300, 3)).astype("float32"), axis=0)
    model.compile(loss="mse")
    settle(model, x, np.zeros_like(x), batch_size=32)
    layer = model.layers[0]
    # The last samples are fewer than a batch.
    np.testing.assert_allclose(np.array(layer.moving_mean), x.mean(0), rtol=0.02)
    np.testing.assert_allclose(np.array(layer.moving_variance), x.var(0), rtol=0.1)


def test_statistics_with_which_the_loss_is_lower_stay():
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(epsilon=0)])
    model.compile(loss="mse")
    x = np.random.default_rng(0).normal(7, 3, size=(20, 2)).astype("float32")
    settle(model, x, x, batch_size=10)  # As they are, the layer gives what it gets.
    assert statistics(model.layers[0])[0].tolist() == [0.0, 0.0]


def test_batches_that_leave_a_layer_out_do_not_count():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((2,)), layer])
    x = np.random.default_rng(0).normal(7, 3, size=(60, 2)).astype("float32")
    passes = []

    def sometimes(batch):
        passes.append(batch)
        if len(passes) % 2 == 0:
            model(batch, training=True)

    compute(model, [layer], sometimes, [x[:20], x[20:40], x[40:]])
    np.testing.assert_allclose(statistics(layer)[0], x[20:40].mean(0), rtol=1e-3)
    np.testing.assert_allclose(statistics(layer)[1], x[20:40].var(0), rtol=1e-2)
    assert len(passes) == 5  # The first two look for what is updated.


@pytest.mark.parametrize("momentum", [0.99, 0.9999, 0.99999])
def test_unscaled_values_and_high_momentum(momentum):
    x = (1000 + np.random.default_rng(0).normal(size=(64, 2))).astype("float32")
    layer = keras.layers.BatchNormalization(momentum=momentum)
    model = keras.Sequential([keras.Input((2,)), layer])
    compute(model, [layer], training_pass(model), [x])
    np.testing.assert_allclose(statistics(layer)[0], x.mean(0), atol=0.01)


def test_a_layer_that_changes_its_kernel_in_a_pass_keeps_it():
    inner = keras.layers.Dense(3)
    layers = [keras.layers.SpectralNormalization(inner), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((2,)), *layers])
    kernel = np.array(inner.kernel)
    compute(model, [layers[1]], training_pass(model), [np.ones((8, 2), "float32")])
    np.testing.assert_array_equal(np.array(inner.kernel), kernel)
