"""What is predicted of a file, against the file that the exporter writes."""

import math
import sys

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers, ops
from keras.src.applications import convnext, inception_resnet_v2

import kerasnas as kn
from kerasnas.hardware import cost_rule
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import lower
from kerasnas.tflite.reader import read_tflite


def images() -> keras.Model:
    inputs = keras.Input((17, 17, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(x))
    # These zeros are those that "same" would add, which needs no operator.
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.LeakyReLU()(layers.Conv2D(8, 1, use_bias=False)(x))
    x = layers.Conv2D(8, 3, padding="same", groups=2, activation="silu")(x)
    weight = layers.GlobalAveragePooling2D()(x)
    weight = layers.Reshape((1, 1, 8))(weight)
    weight = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1)(weight))
    x = layers.Multiply()([x, weight])
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Cropping2D(1)(x))
    x = layers.Conv2DTranspose(4, 3, strides=2, activation="relu")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.MaxPooling2D(3)(x))
    x = layers.ELU()(layers.AveragePooling2D(2)(x))
    x = layers.ReLU()(layers.Flatten()(layers.SeparableConv2D(6, 3)(x)))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def sequences() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((24, 4)),
            layers.Conv1D(8, 3, padding="causal", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.SeparableConv1D(8, 3, padding="same"),
            layers.ReLU(),
            layers.AveragePooling1D(2),
            layers.DepthwiseConv1D(3),
            layers.Activation("tanh"),
            layers.Conv1DTranspose(6, 3, strides=2),
            layers.ZeroPadding1D(1),
            layers.LSTM(6, return_sequences=True),
            layers.Cropping1D(2),
            layers.Dense(4),
            layers.GlobalMaxPooling1D(),
            layers.Dense(3),
        ]
    )


def merges() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    a, b, c = (layers.Conv2D(4, 1, name=f"branch_{n}")(inputs) for n in "abc")
    x = layers.ReLU()(layers.Add()([a, b, c]))
    y = layers.Average()([a, b, c])
    d, e, f = (layers.Conv2D(4, 1, name=f"other_{n}")(inputs) for n in "def")
    z = layers.Subtract()([layers.Maximum()([d, e]), layers.Minimum()([f, layers.ReLU()(a)])])
    x = layers.ReLU()(layers.Concatenate()([x, y, z]))
    x = layers.BatchNormalization()(x)
    return keras.Model(inputs, [layers.ReLU()(x), layers.GlobalAveragePooling2D()(y)])


def vectors() -> keras.Model:
    x = inputs = keras.Input((6,))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(8)(x)))
    x = layers.RepeatVector(3)(x)
    x = layers.Permute((2, 1))(x)
    for name in ("gelu", "selu", "softplus", "softsign", "mish", "tanh", "exponential"):
        x = layers.Activation(name)(x)
    x = layers.Dense(4, use_bias=False)(layers.Dropout(0.5)(layers.Reshape((24,))(x)))
    return keras.Model(inputs, layers.Activation("log_softmax")(x))


def normalizations() -> keras.Model:
    x = inputs = keras.Input((4, 4, 4))
    x = layers.LayerNormalization()(layers.Conv2D(4, 1)(x))
    x = layers.GroupNormalization(2)(layers.Conv2D(4, 1)(x))
    return keras.Model(inputs, layers.UnitNormalization()(x))


def operations() -> keras.Model:
    inputs = keras.Input((6, 6, 4))
    x = ops.relu6(1.5 - layers.Conv2D(4, 1)(inputs) * 2.0)
    y = ops.transpose(ops.sigmoid(x + x), (0, 3, 1, 2))
    y = ops.reshape(y, (-1, 36, 4)) / 3.0
    return keras.Model(inputs, [ops.mean(x, axis=(1, 2)), y])


def pretrained_style() -> keras.Model:
    """What reads no variable is run early, and one factor before a kernel costs nothing."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 255)(inputs))
    y = layers.ReLU()(layers.BatchNormalization(name="a_normalization")(x))
    y = layers.Conv2D(8, 3, strides=2, padding="same", name="a_convolution")(y)
    x = layers.Add()([layers.MaxPooling2D(1, strides=2, name="b_pooling")(x), y])
    return keras.Model(inputs, x, name="residual")


def heads() -> keras.Model:
    """Offsets and factors go into the kernel behind them; shared weights lie there once."""
    inputs = keras.Input((12,))
    shared = layers.Dense(8, name="shared")
    x = layers.BatchNormalization()(layers.Dense(12, activation="relu")(inputs))
    x = layers.Dense(12, activation="tanh")(layers.Dropout(0.2)(x))
    x = layers.Subtract()([shared(x), shared(inputs)])
    both = layers.Concatenate()([layers.Activation("sigmoid")(x), layers.Dense(3)(x), x])
    return keras.Model(inputs, [layers.Dense(4)(both), layers.Dense(2)(both), layers.ReLU()(x)])


def attention() -> keras.Model:
    inputs = keras.Input((6, 5))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    weights = layers.Softmax(axis=1)(layers.Dense(5)(x))
    x = layers.Multiply()([x, weights])
    x = layers.LSTM(4)(x)
    # Two readers, of which one wants it without its negative half.
    x = layers.Dense(6)(x)
    return keras.Model(inputs, [x, layers.ReLU()(x)])


def applications() -> keras.Model:
    """Layers of Keras Applications' own."""
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 2, strides=2)(inputs)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Dense(32)(layers.LayerNormalization(epsilon=1e-6)(y))
    y = layers.Dense(8)(layers.Activation("gelu")(y))
    y = convnext.StochasticDepth(0.1)(convnext.LayerScale(0.1, 8)(y))
    x = layers.Add()([x, y])
    x = inception_resnet_v2.CustomScaleLayer(0.2)([x, layers.Conv2D(8, 1)(x)])
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


# Of files of a few KB, names and constants that happen to be equal are a larger part.
FLASH = {heads: 0.08, attention: 0.08, operations: 0.12}
MODELS = (heads, attention, pretrained_style, images, sequences, merges, vectors, operations)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("make", MODELS)
def test_operators_memory_and_flash_are_those_of_the_file(make, dtype, compare):
    compare(make(), dtype, flash=FLASH.get(make, 0.05))


# Node 2 reads node 0 as it is, so its addition is ready before a branch that is named before it.
CELLS = (
    {"0_1": "conv3x3", "0_2": "identity", "1_2": "conv1x1", "0_3": "conv3x3", "2_3": "conv3x3"},
    {"0_1": "conv3x3", "0_2": "identity", "1_2": "conv3x3", "1_3": "avgpool3x3", "2_3": "conv3x3"},
)


@pytest.mark.parametrize("edges", CELLS)
def test_operators_run_in_the_order_of_the_file(edges, compare):
    space = kn.CellHyperModel((16, 16, 3), 10, cells=[1], filters=[8])
    hp = keras_tuner.HyperParameters()
    space.declare(hp)
    zeros = dict.fromkeys((f"{i}_{j}" for j in range(1, 4) for i in range(j)), "zero")
    hp.values = {"cells": 1, "filters": 8}
    hp.values |= {f"cell/edge_{edge}": kind for edge, kind in (zeros | edges).items()}
    compare(space.build(hp), "float32")


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_searched_network_on_sequences(dtype, compare):
    space = kn.LayerwiseHyperModel(
        (32, 4),
        3,
        stages=[(8,), (16,)],
        blocks=(1, 1),
        operations=["mbconvse3x3_e3_r4"],
        activation=["hard_silu"],
        normalization=["batch"],
        skip=["add"],
    )
    # Names of reshapes, which stand between one-dimensional layers, are long.
    compare(space.build(keras_tuner.HyperParameters()), dtype, flash=0.1)


def test_layers_of_keras_applications(compare):
    compare(applications(), "float32", flash=0.1)


def test_normalizations_over_channels(compare):
    # Constants that happen to be equal are stored once, and these are many and small.
    compare(normalizations(), "float32", flash=0.1)


@pytest.mark.parametrize("shape", [(3,), (16, 3), (8, 8, 3)])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_normalization(shape, dtype, rng, fill):
    """In integers it is a kernel, whose work is the file's and not the network's."""
    x = inputs = keras.Input(shape)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(x)
    x = (layers.Dense, layers.Conv1D, layers.Conv2D)[len(shape) - 1](
        *(8, 3)[: len(shape)], activation="relu"
    )(x)
    model = keras.Model(inputs, layers.Dense(40)(layers.Flatten()(x)))
    fill(model)
    file = kn.export.to_tflite(model, dtype, rng.random((8, *shape), dtype=np.float32))
    profile, real = kn.profile(model, dtype), kn.hardware.profile_tflite(file)
    kinds = [operator.kind for operator in lower(keras_graph(model), dtype).operators]
    assert kinds == [operator.kind for operator in read_tflite(file)[0].operators]
    assert real.macs - profile.macs == (math.prod(shape) if dtype == "int8" else 0)
    assert profile.arena_head == real.arena_head
    assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.05)
    assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=0.05)


@pytest.mark.parametrize("shape", [(40, 1), (1, 1, 8), (1, 8)])
def test_a_reshape_before_a_dense_layer(shape, compare):
    inputs = keras.Input(shape)
    compare(keras.Model(inputs, layers.Dense(30)(layers.Flatten()(inputs))), "int8")


def test_an_embedding():
    model = keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(10, 4)])
    file = kn.export.to_tflite(model)
    assert [o.kind for o in read_tflite(file)[0].operators] == ["GATHER"]
    assert [o.kind for o in lower(keras_graph(model)).operators] == ["GATHER"]


def test_a_shared_layer_is_counted_once():
    shared = layers.Dense(8)
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Subtract()([shared(a), shared(b)]))
    profile = kn.profile(model)
    assert profile.params == model.count_params() == 40
    assert profile.macs == 2 * 32  # It runs twice.
    assert [layer.params for layer in profile.layers if layer.kind == "Dense"] == [40, 0]
    # On one tensor it runs once, and two layers that are alike do not.
    once = keras.Model(a, layers.Add()([shared(a), shared(a)]))
    assert kn.profile(once).macs == 32
    twice = keras.Model(a, layers.Add()([shared(a), layers.Dense(8)(a)]))
    assert kn.profile(twice).macs == 64
    assert keras_graph(once).fingerprint() != keras_graph(twice).fingerprint()


class Dense(layers.Layer):
    """Not Keras's."""

    def call(self, x):
        return x * 2.0


def sine(x):
    return ops.sin(x)


UNKNOWN = [
    (layers.ReLU(2.0, threshold=0.5), "largest value"),
    (layers.ReLU(negative_slope=0.1, threshold=0.5), "threshold"),
    (layers.UpSampling2D(2, interpolation="bicubic"), "bicubic"),
    (layers.Conv2D(2, 1, data_format="channels_first"), "channels_last"),
    (Dense(), "class Dense"),
    (layers.Activation(sine), "sine"),
    (layers.Activation(layers.ReLU(4.0)), "layer of its own"),
]


@pytest.mark.parametrize(("layer", "message"), UNKNOWN)
def test_settings_without_a_rule_are_no_silent_guess(layer, message):
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    with pytest.raises(ValueError, match=message):
        kn.profile(model)


REFUSED = [
    (lambda x: x / 0.0, "not finite"),
    (lambda x: x ** np.ones(4), "exponent"),
    (lambda x: ops.clip(x, np.zeros(4), 1), "bounds"),
    (lambda x: ops.sum(x), "the batch among it"),
    (lambda x: x[0], "selects samples"),
    (lambda x: ops.pad(x, 1), "adds samples"),
    (lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge"), "mode='edge'"),
    (lambda x: ops.matmul(np.ones((2, 6)), x), "Dense"),
    (lambda x: ops.cast(x, "int32"), "float32"),
    (lambda x: ops.celu(x, alpha=2.0), "alpha=1"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED)
def test_an_operation_without_a_cost_says_why(function, message):
    inputs = keras.Input((6, 6, 4))
    outputs = function(inputs)
    with pytest.raises(ValueError, match=message) as error:
        kn.profile(keras.Model(inputs, outputs))
    assert "has no cost rule" in str(error.value)


def test_a_mask_and_a_bent_lstm_say_what_to_do():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)]
    )
    with pytest.raises(ValueError, match="mask_zero=False"):
        kn.profile(model)
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, activation="relu")])
    with pytest.raises(ValueError, match="tanh"):
        kn.profile(model)


@pytest.mark.parametrize("dtype", ["int3", ["int8"], None])
def test_a_dtype_that_is_none(dtype):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="dtype"):
        kn.profile(model, dtype)


def test_what_a_cost_rule_must_return(monkeypatch):
    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["kerasnas.hardware.keras_graph"], "RULES", {})

    class Odd(layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((5,)), Odd()])
    cost_rule("InputLayer")(
        lambda graph, call, inputs, shape: graph.add("InputLayer", "i", (), shape)
    )
    cost_rule("Odd")(lambda graph, call, inputs, shape: None)
    with pytest.raises(ValueError, match=r"Odd.*None"):
        kn.profile(model)
    cost_rule("Odd")(lambda graph, call, inputs, shape: graph.add("Nope", "n", inputs, shape))
    with pytest.raises(ValueError, match=r"Nope.*Dense"):
        kn.profile(model)


@pytest.mark.parametrize("layer", [layers.GRU(4), layers.SimpleRNN(4)])
def test_what_has_no_int8_form_says_so(layer):
    model = keras.Sequential([keras.Input((6, 3)), layer])
    with pytest.raises(ValueError, match=f"{layer.name}.*LSTM"):
        kn.profile(model)
    # In float a loop, whose subgraphs took two to four times the memory that was estimated.
    with pytest.raises(ValueError, match=f"{layer.name}.*loop.*profile_tflite"):
        kn.profile(model, "float32")


def test_a_sequence_that_is_read_backwards_is_reversed_first():
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4, go_backwards=True)])
    kinds = [operator.kind for operator in lower(keras_graph(model)).operators]
    assert kinds == ["REVERSE_V2", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE"]


def pixels(first):
    x = inputs = keras.Input((8, 8, 3), dtype="uint8")
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 3)(first(x))))


def words():
    x = inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Embedding(50, 4)(x))))


def between(function):
    x = inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(function(layers.Dense(8)(x))))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pixels(layers.Rescaling(1 / 255)),
        lambda: pixels(layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0] * 3)),
        words,
        lambda: between(layers.ELU()),
        lambda: between(ops.square),
    ],
)
def test_an_int8_file_reads_no_cast(make, rng, fill):
    model = make()
    fill(model)
    high = 255 if model.inputs[0].dtype == "uint8" else 50
    data = rng.integers(0, high, (20, *model.input_shape[1:])).astype(model.inputs[0].dtype)
    file = kn.export.to_tflite(model, "int8", representative_data=data)
    kinds = [operator.kind for operator in read_tflite(file)[0].operators]
    assert [operator.kind for operator in lower(keras_graph(model), "int8").operators] == kinds
    assert not {"CAST", "DEQUANTIZE", "QUANTIZE"} & set(kinds)
    profile, real = kn.profile(model), kn.hardware.profile_tflite(file)
    assert (profile.arena_head, profile.ram_bytes) == (real.arena_head, real.ram_bytes)
