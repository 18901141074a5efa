import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from kerasnas.training.inheritance import inherit, weights_of

KINDS = {
    1: {"conv": layers.Conv1D, "depthwise": layers.DepthwiseConv1D, "sep": layers.SeparableConv1D},
    2: {"conv": layers.Conv2D, "depthwise": layers.DepthwiseConv2D, "sep": layers.SeparableConv2D},
}


def network(rank, kind, kernel, width, normalized=False, outputs=3):
    """A convolution of any kind between two others, and a head."""
    inputs = keras.Input((12,) * rank + (2,), name="input")
    conv = KINDS[rank]["conv"]
    x = conv(width, 1, padding="same", activation="relu", name="stem")(inputs)
    middle = KINDS[rank][kind]
    given = () if kind == "depthwise" else (width,)
    x = middle(*given, kernel_size=kernel, padding="same", name="middle")(x)
    if normalized:
        x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    pool = layers.GlobalAveragePooling1D if rank == 1 else layers.GlobalAveragePooling2D
    x = pool(name="pool")(x)
    return keras.Model(inputs, layers.Dense(outputs, name="head")(x))


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.name else -1.0
        weight.assign(rng.uniform(low, 1.0, weight.shape))
    return model


def outputs(model, rank):
    x = np.random.default_rng(1).normal(size=(4,) + (12,) * rank + (2,)).astype("float32")
    return np.array(model(x, training=False))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 2]),
    st.sampled_from(["conv", "depthwise", "sep"]),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(1, 5),
    st.integers(0, 4),
    st.booleans(),
)
def test_wider_networks_and_larger_kernels_begin_with_the_function_of_the_parent(
    rank, kind, kernel, larger, width, wider, normalized
):
    parent = randomized(network(rank, kind, kernel, width, normalized))
    child = randomized(
        network(rank, kind, kernel + 2 * (larger // 2), width + wider, normalized), 1
    )
    before = outputs(parent, rank)
    assert inherit(child, weights_of(parent)) == 3 + normalized
    np.testing.assert_allclose(outputs(child, rank), before, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs(parent, rank), before)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 2]),
    st.sampled_from(["conv", "depthwise", "sep"]),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_any_two_networks_have_something_to_hand_on(rank, kind, kernels, widths, classes):
    parent, child = (
        randomized(network(rank, kind, kernels[n], widths[n], outputs=classes[n]), n)
        for n in range(2)
    )
    assert inherit(child, weights_of(parent)) == 3
    assert all(np.isfinite(np.array(weight)).all() for weight in child.weights)
    both = min(widths)
    np.testing.assert_array_equal(
        np.array(child.get_layer("stem").kernel)[..., :both],
        np.array(parent.get_layer("stem").kernel)[..., :both],
    )
    if widths[1] > widths[0]:  # New channels can be learned: their own weights are not zero.
        assert np.abs(np.array(child.get_layer("stem").kernel)[..., both:]).min() > 0


def test_the_same_network_is_inherited_to_the_bit():
    parent = randomized(network(2, "sep", 3, 4, normalized=True))
    child = randomized(network(2, "sep", 3, 4, normalized=True), 1)
    inherit(child, weights_of(parent))
    for one, other in zip(child.weights, parent.weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def deeper(new_block, normalized):
    inputs = keras.Input((12, 12, 2), name="input")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(inputs)
    if new_block == "residual":
        y = layers.Conv2D(4, 3, padding="same", name="new", use_bias=not normalized)(x)
        if normalized:
            y = layers.BatchNormalization(name="new_norm")(y)
        x = layers.Add(name="add")([x, y])
    elif new_block:
        kind = {"conv": layers.Conv2D, "depthwise": layers.DepthwiseConv2D}[new_block]
        given = (4,) if new_block == "conv" else ()
        x = kind(*given, kernel_size=5, padding="same", activation="relu", name="new")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@pytest.mark.parametrize("new_block", ["residual", "conv", "depthwise"])
@pytest.mark.parametrize("normalized", [True, False])
def test_a_new_block_begins_as_the_identity(new_block, normalized):
    parent, child = randomized(deeper(None, False)), randomized(deeper(new_block, normalized), 1)
    assert inherit(child, weights_of(parent)) == 2
    np.testing.assert_allclose(outputs(child, 2), outputs(parent, 2), rtol=1e-5, atol=1e-6)


def test_a_new_residual_branch_can_learn():
    child = deeper("residual", True)
    inherit(child, weights_of(randomized(deeper(None, False))))
    child.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(16, 12, 12, 2))
    child.fit(x, np.ones((16, 3)), epochs=2, verbose=0)
    assert np.abs(np.array(child.get_layer("new_norm").gamma)).max() > 0


def test_layers_of_another_class_or_name_are_left_alone():
    parent, child = randomized(network(2, "conv", 3, 4)), network(2, "depthwise", 3, 4)
    kept = np.array(child.get_layer("head").kernel)
    known = {"head": weights_of(parent)["middle"]}
    assert inherit(child, known) == 0
    np.testing.assert_array_equal(np.array(child.get_layer("head").kernel), kept)


def test_a_subclassed_model_inherits_by_its_layers():
    class Small(keras.Model):
        def __init__(self, width):
            super().__init__()
            self.hidden = layers.Dense(width, activation="relu", name="hidden")
            self.last = layers.Dense(2, name="last")

        def call(self, x):
            return self.last(self.hidden(x))

    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    parent, child = Small(3), Small(5)
    before = np.array(parent(x))
    child(x)
    assert inherit(child, weights_of(parent)) == 2
    np.testing.assert_allclose(np.array(child(x)), before, rtol=1e-5, atol=1e-6)
