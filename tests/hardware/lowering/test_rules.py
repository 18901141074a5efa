"""What the converter makes of layers, against the file that the exporter writes."""

import keras
import keras_tuner
import pytest
from keras import layers, ops

import kerasnas as kn
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


# Of files of a few KB, names and constants that happen to be equal are a larger part.
FLASH = {heads: 0.08, attention: 0.08, operations: 0.12}


MODELS = (heads, attention, pretrained_style, images, sequences, merges, vectors, operations)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("make", MODELS)
def test_operators_memory_and_flash_are_those_of_the_file(make, dtype, compare):
    compare(make(), dtype, flash=FLASH.get(make, 0.05))


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


@pytest.mark.parametrize("shape", [(40, 1), (1, 1, 8), (1, 8)])
def test_a_reshape_before_a_dense_layer(shape, compare):
    inputs = keras.Input(shape)
    compare(keras.Model(inputs, layers.Dense(30)(layers.Flatten()(inputs))), "int8")


def test_an_embedding():
    model = keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(10, 4)])
    file = kn.export.to_tflite(model)
    assert [o.kind for o in read_tflite(file)[0].operators] == ["GATHER"]
    assert [o.kind for o in lower(keras_graph(model)).operators] == ["GATHER"]


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
