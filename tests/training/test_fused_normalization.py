"""Batch normalization in one operation: the numbers of Keras, for inputs of any rank."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training.fused_normalization import fused_normalization

if keras.backend.backend() != "tensorflow":
    pytest.skip("the operation is TensorFlow's", allow_module_level=True)


def network(shape, seed=0, **options):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Dense(5, use_bias=False),  # Its gradient would be rounding.
        keras.layers.BatchNormalization(**options),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def trained(model, x, y, **fit):
    return model.fit(x, y, verbose=0, shuffle=False, batch_size=16, **fit).history


@settings(max_examples=12, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    samples=st.integers(2, 40),
    scale=st.booleans(),
    center=st.booleans(),
    momentum=st.sampled_from([0.0, 0.9, 0.99]),
)
def test_the_numbers_are_those_of_keras(shape, samples, scale, center, momentum):
    rng = np.random.default_rng(samples)
    x = rng.normal(2.0, 3.0, size=(samples, *shape)).astype("float32")
    y = rng.integers(3, size=samples)
    options = {"scale": scale, "center": center, "momentum": momentum}
    plain, fused = network(shape, **options), network(shape, **options)
    theirs = trained(plain, x, y, epochs=2, validation_data=(x, y))
    with fused_normalization(fused):
        ours = trained(fused, x, y, epochs=2, validation_data=(x, y))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5)
    for one, other in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_it_is_one_operation_where_keras_has_many():
    def operations(model):
        import tensorflow as tf

        function = tf.function(lambda x: model(x, training=True))
        graph = function.get_concrete_function(tf.TensorSpec((None, 6, 6, 2))).graph
        return [operation.type for operation in graph.get_operations()]

    model = network((6, 6, 2))
    before = operations(model)
    with fused_normalization(model):
        during = operations(model)
    assert during.count("FusedBatchNormV3") == 1
    assert "SquaredDifference" not in during
    assert operations(model) == before


def test_frozen_layers_masks_and_inference_are_keras_own():
    x = np.random.default_rng(0).normal(size=(8, 4, 3)).astype("float32")
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Masking(), layer])
    expected = np.array(model(x, training=False))
    with fused_normalization(model):
        np.testing.assert_array_equal(np.array(model(x, training=False)), expected)
        assert np.isfinite(np.array(model(x, training=True))).all()  # Masked.
        layer.trainable = False
        before = layer.get_weights()
        model(x, training=True)
        for one, other in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)


class Own(keras.layers.BatchNormalization):
    """A user's layer, which may do anything."""


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.BatchNormalization(axis=1),
        lambda: keras.layers.BatchNormalization(renorm=True),
        lambda: keras.layers.BatchNormalization(dtype="mixed_float16"),
        lambda: keras.layers.LayerNormalization(),
        lambda: Own(),
    ],
)
def test_other_normalizations_are_left_alone(layer):
    made = layer()
    model = keras.Sequential([keras.Input((4, 4, 3)), made])
    with fused_normalization(model):
        assert "call" not in vars(made)


def test_layers_of_models_within_models_are_found_and_put_back():
    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((4, 4, 3)), inner])
    with fused_normalization(model):
        assert "call" in vars(inner.layers[0])
    assert "call" not in vars(inner.layers[0])
