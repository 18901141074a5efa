"""What is predicted of a file, against the file that the exporter writes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnas as kn
from kerasnas.hardware.flatbuffer import read_tflite
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import lower


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
    x = layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7))(x)
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


MODELS = (pretrained_style, images, sequences, merges, vectors, operations)


def compare(model: keras.Model, dtype: str, rng: np.random.Generator, flash: float = 0.05) -> None:
    for layer in model.layers:
        layer.set_weights(
            [rng.uniform(0.2, 1, w.shape) if w.ndim else w for w in layer.get_weights()]
        )
    data = rng.random((8, *model.input_shape[1:]), dtype=np.float32)
    file = kn.export.to_tflite(model, dtype, representative_data=data)
    operators = read_tflite(file)[0].operators
    program = lower(keras_graph(model), dtype)
    assert [operator.kind for operator in program.operators] == [o.kind for o in operators]
    profile, real = kn.profile(model, dtype), kn.hardware.profile_tflite(file)
    assert profile.macs == real.macs
    assert profile.work == real.work
    assert profile.arena_head == real.arena_head
    assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.02)
    assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=flash)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("make", MODELS)
def test_operators_memory_and_flash_are_those_of_the_file(make, dtype, rng):
    compare(make(), dtype, rng)


def test_normalizations_over_channels(rng):
    # Constants that happen to be equal are stored once, and these are many and small.
    compare(normalizations(), "float32", rng, flash=0.1)


def test_an_embedding(rng):
    model = keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(10, 4)])
    file = kn.export.to_tflite(model)
    assert [o.kind for o in read_tflite(file)[0].operators] == ["GATHER"]
    assert [o.kind for o in lower(keras_graph(model)).operators] == ["GATHER"]


@pytest.mark.parametrize("layer", [layers.GRU(4), layers.SimpleRNN(4)])
def test_what_has_no_int8_form_says_so(layer):
    model = keras.Sequential([keras.Input((6, 3)), layer])
    with pytest.raises(ValueError, match=f"{layer.name}.*LSTM"):
        kn.profile(model)
    kernels = sum(w.shape[0] * w.shape[1] for w in layer.get_weights()[:2])
    assert kn.profile(model, "float32").macs == 6 * kernels


def test_an_unknown_reduction_says_what_to_use():
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, ops.mean(inputs, axis=-1))
    with pytest.raises(ValueError, match="height and width"):
        kn.profile(model)
