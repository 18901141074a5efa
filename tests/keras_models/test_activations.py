import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from kerasnas.keras_models.activations import ACTIVATIONS, FUNCTIONS, by_operation

VALUES = np.linspace(-8, 8, 48, dtype="float32").reshape(3, 16)


def made_of(function) -> keras.Operation:
    x = keras.Input((16,))
    return keras.Model(x, function(x)).operations[-1]


@pytest.mark.parametrize("name", [n for n, row in ACTIVATIONS.items() if row.operations])
def test_an_activation_is_made_of_the_operation_of_its_row(name):
    function = keras.ops.exp if name == "exponential" else getattr(keras.ops, name)
    row, operation = ACTIVATIONS[name], made_of(function)
    assert type(operation).__name__ in row.operations
    for setting, value in row.only.items():
        assert getattr(operation, setting) == value


@pytest.mark.parametrize("name", ["abs", "ceil", "cos", "expm1", "log1p", "negative", "sign"])
def test_a_function_is_made_of_the_operation_of_its_row(name):
    assert type(made_of(getattr(keras.ops, name))).__name__ in FUNCTIONS[name].operations


@pytest.mark.parametrize("name", [n for n, row in ACTIVATIONS.items() if row.in_keras_2 == "equal"])
def test_keras_2_has_the_same_function(name):
    wanted = keras.ops.convert_to_numpy(keras.activations.get(name)(VALUES))
    found = np.asarray(tf_keras.activations.get(name)(tf.constant(VALUES)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [n for n, row in ACTIVATIONS.items() if row.in_keras_2])
def test_a_channel_is_computed_from_others_only_where_the_row_says_so(name):
    function = keras.activations.get("gelu" if name == "gelu_tanh" else name)
    other = VALUES.copy()
    other[:, -1] += 1.5  # which the first channel reads if channels are mixed
    before, after = (keras.ops.convert_to_numpy(function(x)) for x in (VALUES, other))
    assert ACTIVATIONS[name].mixes_channels or np.array_equal(before[:, :-1], after[:, :-1])


def test_each_operation_computes_one_function():
    operations = [operation for operation, *_ in by_operation(ACTIVATIONS | FUNCTIONS)]
    assert len(operations) == len({*operations})
