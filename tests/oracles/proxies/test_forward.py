"""One pass through a model's graph, call by call."""

import keras
import numpy as np
import pytest

from kerasnas.keras_models.walk import walk
from kerasnas.oracles.proxies import forward

L = keras.layers


def branched():
    inputs = keras.Input((6, 6, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = L.Add()([x, L.DepthwiseConv2D(3, padding="same")(x)])
    x = keras.ops.mean(x, axis=(1, 2))
    return keras.Model(inputs, [L.Dense(3)(x), L.Dense(1)(x)])


def test_run_computes_what_the_model_computes(rng):
    model, x = branched(), rng.normal(size=(5, 6, 6, 2)).astype("float32")
    seen = []

    def apply(operation, args, kwargs):
        seen.append(operation.name)
        return operation(*args, **kwargs)

    outputs = forward.run(model, walk(model), forward.feeds(model, x), apply)
    for found, expected in zip(outputs, model(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(seen) == 6


def test_run_takes_what_is_applied_in_the_place_of_a_layer(mlp):
    model = mlp(L.Dense(3, kernel_initializer="ones"), L.Dense(1, kernel_initializer="ones"))
    inputs = forward.feeds(model, np.ones((1, 3)))
    [skipped] = forward.run(
        model,
        walk(model),
        inputs,
        lambda layer, args, kwargs: args[0] if layer.units == 3 else layer(*args, **kwargs),
    )
    assert float(skipped[0, 0]) == 3.0


def test_as_in_training_normalizes_by_the_batch_and_drops_nothing(rng):
    x = keras.ops.convert_to_tensor(rng.normal(5, 2, size=(64, 3)).astype("float32"))
    with keras.StatelessScope():
        normalized = forward.as_in_training(L.BatchNormalization(), (x,), {"training": False})
    assert abs(float(keras.ops.mean(normalized))) < 1e-3
    kept = forward.as_in_training(L.Dropout(0.9), (x,), {"training": True})
    np.testing.assert_array_equal(kept, x)


@pytest.mark.parametrize(
    ("operation", "name", "alone", "splits"),
    [
        (L.Dense(4, activation="leaky_relu"), "leakyrelu", False, True),
        (L.Dense(4), None, False, False),
        (L.Dense(4, activation="softmax"), "softmax", False, False),
        (L.ReLU(max_value=6.0), "relu", True, True),
        (L.Activation("hard_sigmoid"), "hardsigmoid", True, False),
        (L.Activation("linear"), None, True, False),
        (L.Softmax(), "softmax", True, False),
        (L.Flatten(), None, False, False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_activations_are_named(operation, name, alone, splits):
    assert forward.activation_of(operation) == name
    assert forward.is_activation(operation) == alone
    assert forward.splits(name) == splits


def test_inputs_come_in_the_order_of_the_model():
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    model = keras.Model([left, right], L.Concatenate()([left, right]))
    arrays = {"right": np.zeros((4, 2)), "left": np.ones((4, 3))}
    for given in (arrays, [arrays["left"], arrays["right"]]):
        assert [tuple(one.shape) for one in forward.feeds(model, given)] == [(4, 3), (4, 2)]
    for given in ({"left": arrays["left"]}, [arrays["left"]], np.ones((4, 3))):
        with pytest.raises(ValueError, match=r"one array for each input.*\['left', 'right'\]"):
            forward.feeds(model, given)


def test_inputs_take_the_dtype_of_the_model_and_a_last_axis():
    """As in `fit`: grey images without channels."""
    model = keras.Sequential([keras.Input((6, 6, 1)), L.Flatten()])
    [fed] = forward.feeds(model, np.ones((2, 6, 6), "int64"))
    assert tuple(fed.shape) == (2, 6, 6, 1)
    assert keras.backend.standardize_dtype(fed.dtype) == "float32"


def test_outputs_come_in_the_structure_of_the_model(mlp):
    inputs = keras.Input((3,))
    named = keras.Model(inputs, {"a": L.Dense(1)(inputs), "b": L.Dense(2)(inputs)})
    assert set(forward.like_outputs(named, named.outputs)) == {"a", "b"}
    assert forward.like_outputs(mlp(L.Dense(1)), ["only"]) == "only"
