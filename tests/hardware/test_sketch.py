"""What a sketch records of a layer, against what Keras builds."""

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from kerasnas.hardware import Graph, Sketch, keras_graph


def graph_of(end: Sketch) -> Graph:
    end.graph.outputs = (end.index,)
    return end.graph


def built(layer: keras.layers.Layer, *shapes) -> Graph:
    inputs = [keras.Input(shape, name=f"input_{i}") for i, shape in enumerate(shapes)]
    return keras_graph(keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0])))


def assert_same(sketched: Sketch, layer: keras.layers.Layer, shape) -> None:
    model = built(layer, shape)
    assert graph_of(sketched).fingerprint() == model.fingerprint()
    assert sketched.shape == model.nodes[-1].shape


WINDOWS = {
    "conv": (layers.Conv1D, layers.Conv2D),
    "depthwise_conv": (layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    "max_pooling": (layers.MaxPooling1D, layers.MaxPooling2D),
    "average_pooling": (layers.AveragePooling1D, layers.AveragePooling2D),
}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(WINDOWS)),
    st.integers(1, 2),
    st.integers(5, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
)
def test_a_window_has_the_shape_and_the_weights_of_keras(name, rank, size, window, step, padding):
    shape = (size,) * rank + (3,)
    sizes = (4, window) if name == "conv" else (window,)
    options = {"strides": step, "padding": padding, "name": "window"}
    sketched = getattr(Sketch.input(shape), f"{name}{rank}d")(*sizes, **options)
    assert_same(sketched, WINDOWS[name][rank - 1](*sizes, **options), shape)


@pytest.mark.parametrize("use_bias", [True, False])
def test_dense(use_bias):
    sketched = Sketch.input((6, 4)).dense(5, use_bias=use_bias, name="dense")
    assert_same(sketched, layers.Dense(5, use_bias=use_bias, name="dense"), (6, 4))


@pytest.mark.parametrize(
    ("sketch", "layer"),
    [
        (lambda x: x.batch_normalization(name="it"), layers.BatchNormalization(name="it")),
        (lambda x: x.activation("relu6", name="it"), layers.ReLU(6.0, name="it")),
        (lambda x: x.flatten(name="it"), layers.Flatten(name="it")),
        (lambda x: x.dropout(0.3, name="it"), layers.Dropout(0.3, name="it")),
        (lambda x: x.global_average_pooling2d(name="it"), layers.GlobalAveragePooling2D(name="it")),
        (
            lambda x: x.global_average_pooling2d(keepdims=True, name="it"),
            layers.GlobalAveragePooling2D(keepdims=True, name="it"),
        ),
    ],
)
def test_a_layer_of_an_image(sketch, layer):
    assert_same(sketch(Sketch.input((6, 5, 4))), layer, (6, 5, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.UpSampling2D(2, name="it"),
        lambda: layers.ZeroPadding2D(((1, 2), (0, 1)), name="it"),
        lambda: layers.SeparableConv2D(6, 3, activation="relu", name="it"),
        lambda: layers.LayerNormalization(name="it"),
        lambda: layers.GlobalMaxPooling2D(name="it"),
    ],
)
def test_any_layer_of_keras_is_applied_as_it_is(make):
    assert_same(Sketch.input((6, 5, 4)).apply(make()), make(), (6, 5, 4))


def test_a_layer_of_unknown_cost_is_named():
    class Secret(layers.Layer):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"'it' of class Secret.*cost_rule"):
        Sketch.input((4,)).apply(Secret(name="it"))


def test_merges():
    x = Sketch.input((4, 4, 2))
    gate = x.global_average_pooling2d(keepdims=True, name="gate")
    assert x.multiply(gate, name="product").shape == (4, 4, 2)
    assert x.add([x], name="sum").shape == (4, 4, 2)
    assert x.concatenate([x.conv2d(3, 1, name="conv")], name="both").shape == (4, 4, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: x.add([y], name="it"), "Cannot add.*'it'"),
        (lambda x, y: x.multiply(y, name="it"), "Cannot multiply.*'it'"),
        (lambda x, y: x.concatenate([y], name="it"), "Cannot concatenate.*'it'"),
        (lambda x, y: x.conv1d(2, 3, name="it"), r"\(length, channels\)"),
        (lambda x, y: x.flatten(name="f").conv2d(2, 3, name="it"), r"\(height, width, channels\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(make, message):
    x = Sketch.input((6, 6, 2))
    with pytest.raises(ValueError, match=message):
        make(x, x.max_pooling2d(2, strides=2, name="half"))
