"""Gradients of a scalar, without touching a model's own weights."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.proxies.gradients import double_precision, gradients, with_weights

numbers = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=5)


@given(numbers, st.floats(-3, 3, width=32))
def test_the_gradient_of_a_square(values, factor):
    point = keras.ops.convert_to_tensor(np.array(values, "float32"))
    [found] = gradients(lambda v: factor * keras.ops.sum(v[0] ** 2), [point])
    np.testing.assert_allclose(found, 2 * factor * np.array(values), rtol=1e-4, atol=1e-4)


def test_what_the_scalar_does_not_depend_on_has_zeros():
    values = [keras.ops.ones((2,)), keras.ops.ones((3, 1))]
    first, second = gradients(lambda v: keras.ops.sum(v[0]), values)
    np.testing.assert_array_equal(first, [1, 1])
    np.testing.assert_array_equal(second, np.zeros((3, 1)))


def test_a_backend_without_gradients_says_what_works(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(NotImplementedError, match=r"naswot.*KERAS_BACKEND='numpy'"):
        gradients(lambda v: keras.ops.sum(v[0]), [keras.ops.ones(2)])


def test_other_weights_hold_inside_the_scope_only(mlp):
    model = mlp(keras.layers.Dense(1, use_bias=False, kernel_initializer="ones"))
    ones = keras.ops.ones((1, 3))
    with with_weights(model.trainable_variables, [keras.ops.full((3, 1), 5.0)]):
        inside = float(model(ones)[0, 0])
    assert (inside, float(model(ones)[0, 0])) == (15.0, 3.0)


def test_what_is_assigned_inside_the_scope_does_not_stay(mlp):
    model = mlp(keras.layers.BatchNormalization())
    before = model.get_weights()
    with with_weights([], []):
        model(keras.ops.full((4, 3), 9.0), training=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_layers_compute_in_double_precision_within_the_block_also_after_an_error(mlp):
    model = mlp(keras.layers.Dense(2), keras.layers.ReLU())
    inside = set()

    def fail():
        with double_precision(model):
            inside.update(layer.dtype_policy.name for layer in model.layers)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == {"float64"}
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
