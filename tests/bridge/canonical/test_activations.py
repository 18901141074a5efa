"""Activations become layers of their own, in forms that have 8 bits."""

import keras
import pytest

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize(
    ("activation", "split"),
    [("silu", "Activation"), ("relu6", "ReLU"), ("relu", None), ("linear", None)],
)
def test_activation_inside_a_layer(activation, split, rewritten):
    found = kinds(rewritten(one(L.DepthwiseConv2D(3, activation=activation))))
    assert found == ["DepthwiseConv2D", *([split] if split else [])]


def test_activation_of_a_shared_layer(rewritten):
    x = keras.Input(IMAGE)
    conv = L.Conv2D(4, 3, padding="same", activation="relu6")
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert kinds(legacy) == ["Conv2D", "ReLU"]
    assert len(legacy.weights) == 2


@pytest.mark.parametrize("maker", [L.Conv2D, L.Conv2DTranspose])
def test_hard_sigmoid_is_a_relu6_before_an_affine_layer(maker, rewritten):
    found = kinds(rewritten(one(maker(6, 3, activation="hard_sigmoid"))))
    assert found == [maker.__name__, "ReLU", "DepthwiseConv2D"]
    x = keras.Input(IMAGE)
    y = maker(6, 3, use_bias=False)(x)
    both = [L.Activation("hard_sigmoid", name="gate")(y), y]
    found = kinds(rewritten(keras.Model(x, both)))  # What else reads it has no offset.
    assert found == [maker.__name__, "DepthwiseConv2D", "ReLU", "DepthwiseConv2D"]


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x * (L.ReLU(6.0)(x + 3.0) * (1 / 6)),
        lambda x: L.Multiply()([keras.ops.relu6(x + 3.0) / 6.0, x]),
        lambda x: (x * keras.ops.relu6(x + 3.0)) / 6.0,
        lambda x: x * keras.ops.clip(x + 3.0, 0.0, 6.0) * (1 / 6),
        lambda x: x * keras.ops.hard_sigmoid(x),
        lambda x: keras.ops.hard_silu(x),
    ],
)
def test_hard_silu_is_one_layer_in_all_of_its_forms(form, rewritten):
    x = keras.Input(IMAGE)
    found = kinds(rewritten(keras.Model(x, form(L.Conv2D(6, 3)(x)))))
    assert found == ["Conv2D", "Activation"]


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: y * (L.ReLU(6.0)(x + 3.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(6.0)(x + 2.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(5.0)(x + 3.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(6.0)(x + 3.0) * (1 / 5)),
        lambda x, y: x * L.ReLU(6.0)(x + 3.0),
        lambda x, y: x * keras.ops.sigmoid(x),
    ],
)
def test_what_is_only_like_hard_silu_is_kept(form, rewritten):
    x = keras.Input(IMAGE)
    y, z = (L.Conv2D(6, 3)(x) for _ in range(2))
    found = kinds(rewritten(keras.Model(x, [form(y, z), z])))
    assert "Multiply" in found


def test_parts_of_hard_silu_that_others_read_are_kept(rewritten):
    x = keras.Input(IMAGE)
    y = L.Conv2D(6, 3)(x)
    gate = keras.ops.hard_sigmoid(y)
    found = kinds(rewritten(keras.Model(x, [y * gate, gate])))
    assert found.count("ReLU") == 1
    assert "Multiply" not in found
