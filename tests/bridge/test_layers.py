"""Each layer that tf_keras has as well computes the same there."""

import keras
import numpy as np
import pytest
import tf_keras

from kerasnas.bridge.activations import GIVEN
from kerasnas.compression import to_tf_keras

L = keras.layers


ops = keras.ops


IMAGE, LINE, ROW, WORDS = (8, 8, 4), (9, 4), (6,), (7,)


VOLUME, VIDEO = (6, 6, 6, 2), (3, 6, 6, 2)


ONE_INPUT = {
    "conv": (IMAGE, lambda: L.Conv2D(6, 3, padding="same", activation="relu")),
    "conv strided": (IMAGE, lambda: L.Conv2D(6, (3, 2), strides=2, use_bias=False)),
    "conv dilated": (IMAGE, lambda: L.Conv2D(6, 3, dilation_rate=2)),
    "conv grouped": (IMAGE, lambda: L.Conv2D(6, 3, groups=2)),
    "conv relu6": (IMAGE, lambda: L.Conv2D(6, 3, activation="relu6")),
    "conv regularized": (
        IMAGE,
        lambda: L.Conv2D(6, 3, kernel_regularizer="l2", bias_constraint="max_norm"),
    ),
    "sepconv": (IMAGE, lambda: L.SeparableConv2D(6, 3, depth_multiplier=2)),
    "dwconv": (IMAGE, lambda: L.DepthwiseConv2D(5, padding="same", depth_multiplier=2)),
    "transposed": (IMAGE, lambda: L.Conv2DTranspose(6, 3, strides=2, padding="same")),
    "conv1d": (LINE, lambda: L.Conv1D(6, 3, padding="causal")),
    "sepconv1d": (LINE, lambda: L.SeparableConv1D(6, 3)),
    "dwconv1d": (LINE, lambda: L.DepthwiseConv1D(3)),
    "conv3d": (VOLUME, lambda: L.Conv3D(3, 2)),
    "transposed3d": (VOLUME, lambda: L.Conv3DTranspose(3, 2, strides=2)),
    "transposed1d": (LINE, lambda: L.Conv1DTranspose(6, 3, strides=2)),
    "batchnorm": (IMAGE, lambda: L.BatchNormalization()),
    "batchnorm plain": (IMAGE, lambda: L.BatchNormalization(scale=False, center=False)),
    "layernorm": (IMAGE, lambda: L.LayerNormalization()),
    "groupnorm": (IMAGE, lambda: L.GroupNormalization(2)),
    "unitnorm": (ROW, lambda: L.UnitNormalization()),
    "rescaling": (IMAGE, lambda: L.Rescaling(1 / 255, offset=-0.5)),
    "normalization": (IMAGE, lambda: L.Normalization(mean=[1, 2, 3, 4], variance=[1, 2, 3, 4])),
    "normalization scalar": (IMAGE, lambda: L.Normalization(axis=None, mean=3.0, variance=2.0)),
    "relu": (IMAGE, lambda: L.ReLU()),
    "relu6": (IMAGE, lambda: L.ReLU(max_value=0.6, negative_slope=0.1, threshold=0.1)),
    "leaky": (IMAGE, lambda: L.LeakyReLU(negative_slope=0.15)),
    "prelu": (IMAGE, lambda: L.PReLU(shared_axes=[1, 2])),
    "elu": (IMAGE, lambda: L.ELU(0.7)),
    "softmax": (IMAGE, lambda: L.Softmax(axis=2)),
    "activation": (IMAGE, lambda: L.Activation("silu")),
    "dense": (ROW, lambda: L.Dense(5, activation="tanh")),
    "dense on images": (IMAGE, lambda: L.Dense(5)),
    "einsum": (LINE, lambda: L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d")),
    "attention": (LINE, lambda: lambda x: L.Attention(use_scale=True)([x, x])),
    "additive": (LINE, lambda: lambda x: L.AdditiveAttention()([x, x, x])),
    "self-attention": (LINE, lambda: lambda x: L.MultiHeadAttention(2, 3)(x, x)),
    "causal": (LINE, lambda: lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)),
    "cross-attention": (
        LINE,
        lambda: (
            lambda x: L.MultiHeadAttention(2, 3, value_dim=5, output_shape=6)(
                x, L.Cropping1D(2)(x), key=L.Cropping1D((1, 3))(x)
            )
        ),
    ),
    "embedding": (WORDS, lambda: L.Embedding(11, 5)),
    "lstm": (LINE, lambda: L.LSTM(5, return_sequences=True)),
    "gru": (LINE, lambda: L.GRU(5)),
    "gru v1": (LINE, lambda: L.GRU(5, reset_after=False)),
    "rnn": (LINE, lambda: L.SimpleRNN(5, go_backwards=True)),
    "lstm reversed": (LINE, lambda: L.LSTM(5, go_backwards=True, return_sequences=True)),
    "lstm unrolled": (LINE, lambda: L.LSTM(5, unroll=True)),
    "lstm hard": (LINE, lambda: L.LSTM(5, recurrent_activation="hard_sigmoid")),
    "states": (LINE, lambda: lambda x: L.LSTM(5, return_state=True)(x)),
    "encoder": (
        LINE,
        lambda: lambda x: L.LSTM(5)(x, initial_state=L.LSTM(5, return_state=True)(x)[1:]),
    ),
    "bidirectional": (LINE, lambda: L.Bidirectional(L.LSTM(5, return_sequences=True))),
    "bidirectional two": (
        LINE,
        lambda: L.Bidirectional(
            L.SimpleRNN(5), backward_layer=L.SimpleRNN(3, go_backwards=True), merge_mode=None
        ),
    ),
    "distributed": (VIDEO, lambda: L.TimeDistributed(L.Conv2D(3, 3, activation="hard_silu"))),
    "distributed model": (VIDEO, lambda: L.TimeDistributed(small_images())),
    "cell": (LINE, lambda: L.RNN(L.LSTMCell(4), return_sequences=True)),
    "cells": (LINE, lambda: L.RNN([L.SimpleRNNCell(4), L.GRUCell(3)])),
    "convlstm1d": ((3, 6, 2), lambda: L.ConvLSTM1D(3, 3)),
    "convlstm2d": (VIDEO, lambda: L.ConvLSTM2D(3, 3, return_sequences=True)),
    "convlstm3d": ((3, 4, 4, 4, 2), lambda: L.ConvLSTM3D(3, 3)),
    "maxpool": (IMAGE, lambda: L.MaxPooling2D(3, strides=1, padding="same")),
    "avgpool": (IMAGE, lambda: L.AveragePooling2D(3, strides=1, padding="same")),
    "maxpool1d": (LINE, lambda: L.MaxPooling1D(2)),
    "avgpool1d": (LINE, lambda: L.AveragePooling1D(2)),
    "maxpool3d": (VOLUME, lambda: L.MaxPooling3D(2)),
    "avgpool3d": (VOLUME, lambda: L.AveragePooling3D(2)),
    "gap3d": (VOLUME, lambda: L.GlobalAveragePooling3D()),
    "gmp3d": (VOLUME, lambda: L.GlobalMaxPooling3D()),
    "gap": (IMAGE, lambda: L.GlobalAveragePooling2D()),
    "gap kept": (IMAGE, lambda: L.GlobalAveragePooling2D(keepdims=True)),
    "gmp": (IMAGE, lambda: L.GlobalMaxPooling2D()),
    "gap1d": (LINE, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "gmp1d": (LINE, lambda: L.GlobalMaxPooling1D()),
    "dropout": (IMAGE, lambda: L.Dropout(0.5, seed=3)),
    "spatial dropout": (IMAGE, lambda: L.SpatialDropout2D(0.5)),
    "spatial dropout 1d": (LINE, lambda: L.SpatialDropout1D(0.5)),
    "spatial dropout 3d": (VOLUME, lambda: L.SpatialDropout3D(0.5)),
    "alpha dropout": (ROW, lambda: L.AlphaDropout(0.5)),
    "gaussian dropout": (IMAGE, lambda: L.GaussianDropout(0.5)),
    "activity": (IMAGE, lambda: L.ActivityRegularization(l2=0.1)),
    "flatten": (IMAGE, lambda: L.Flatten()),
    "reshape": (IMAGE, lambda: L.Reshape((16, -1))),
    "permute": (IMAGE, lambda: L.Permute((3, 1, 2))),
    "repeat": (ROW, lambda: L.RepeatVector(3)),
    "identity": (ROW, lambda: L.Identity()),
    "pad": (IMAGE, lambda: L.ZeroPadding2D(((1, 0), (2, 3)))),
    "pad1d": (LINE, lambda: L.ZeroPadding1D((1, 2))),
    "crop": (IMAGE, lambda: L.Cropping2D(((1, 0), (2, 3)))),
    "crop1d": (LINE, lambda: L.Cropping1D((1, 2))),
    "upsample": (IMAGE, lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "upsample1d": (LINE, lambda: L.UpSampling1D(2)),
    "pad3d": (VOLUME, lambda: L.ZeroPadding3D()),
    "crop3d": (VOLUME, lambda: L.Cropping3D()),
    "upsample3d": (VOLUME, lambda: L.UpSampling3D()),
    "masking": (LINE, lambda: lambda x: L.SimpleRNN(3)(L.Masking(0.0)(x))),
    "resizing": (IMAGE, lambda: L.Resizing(5, 6, crop_to_aspect_ratio=True)),
    "center crop": (IMAGE, lambda: L.CenterCrop(5, 6)),
    "dot": (LINE, lambda: lambda x: L.Dot(axes=2, normalize=True)([x, x])),
    "bins": (ROW, lambda: L.Discretization([-1.0, 0.0, 1.0])),
    "categories": (ROW, lambda: lambda x: L.Dense(2)(L.CategoryEncoding(5)(x))),
    "op relu": (IMAGE, lambda: ops.relu),
    "op square": (IMAGE, lambda: ops.square),
    "op power": (IMAGE, lambda: lambda x: ops.power(x, 2)),
    "op relu6": (IMAGE, lambda: ops.relu6),
    "op sigmoid": (IMAGE, lambda: ops.sigmoid),
    "op tanh": (IMAGE, lambda: ops.tanh),
    "op silu": (IMAGE, lambda: ops.silu),
    "op elu": (IMAGE, lambda: lambda x: ops.elu(x, alpha=0.3)),
    "op softplus": (IMAGE, lambda: ops.softplus),
    "op softsign": (IMAGE, lambda: ops.softsign),
    "op softmax": (IMAGE, lambda: lambda x: ops.softmax(x, axis=1)),
    "op reshape": (IMAGE, lambda: lambda x: ops.reshape(x, (-1, 16, 16))),
    "op expand": (IMAGE, lambda: lambda x: ops.expand_dims(x, 1)),
    "op squeeze": ((8, 1, 4), lambda: lambda x: ops.squeeze(x, 2)),
    "op transpose": (IMAGE, lambda: lambda x: ops.transpose(x, (0, 3, 1, 2))),
    "op mean": (IMAGE, lambda: lambda x: ops.mean(x, axis=(1, 2), keepdims=True)),
    "op mean 1d": (LINE, lambda: lambda x: ops.mean(x, axis=-2)),
    "op max": (IMAGE, lambda: lambda x: ops.max(x, axis=(2, 1))),
    "op cast": ((8, 8, 1), lambda: lambda x: ops.cast(x, "float32")),
    "op clip": (IMAGE, lambda: lambda x: ops.clip(x, 0, 0.7)),
    "op pad": (IMAGE, lambda: lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]])),
    "op pad 1d": (LINE, lambda: lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 0]])),
    "op exp": (ROW, lambda: ops.exp),
    "op selu": (ROW, lambda: ops.selu),
    "op log softmax": (ROW, lambda: ops.log_softmax),
    "op leaky": (ROW, lambda: lambda x: ops.leaky_relu(x, 0.3)),
    "op gelu": (ROW, lambda: ops.gelu),
    "op gelu exact": (ROW, lambda: lambda x: ops.gelu(x, approximate=False)),
    "op divide": (IMAGE, lambda: lambda x: ops.divide(x, -4)),
    "op affine": (IMAGE, lambda: lambda x: (3.0 - x * 2.0) / 4.0 - 1.0 + (2.0 + x)),
}


CATEGORIES = {"embedding": 11, "categories": 5}


def small_images():
    return keras.Sequential(
        [keras.Input(VIDEO[1:]), L.Conv2D(3, 3), L.BatchNormalization(), L.Flatten(), L.Dense(2)]
    )


@pytest.mark.parametrize("case", ONE_INPUT)
def test_layer_of_one_input(case, randomise, assert_same):
    shape, make = ONE_INPUT[case]
    integers = case in CATEGORIES or case == "op cast"
    inputs = keras.Input(shape, dtype="int32" if integers else "float32")
    layer = make()
    model = randomise(keras.Model(inputs, layer(inputs)))
    batch = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    if integers:
        batch = np.random.default_rng(1).integers(0, CATEGORIES.get(case, 9), (2, *shape))
    if case == "masking":
        batch[0, 5:] = 0
    rebuilt = to_tf_keras(model)
    assert_same(model, rebuilt, batch)
    if isinstance(layer, L.Layer):
        # A sequence is an image of one row on the way, which microcontrollers can enlarge.
        kind = "Reshape" if case == "upsample1d" else type(layer).__name__
        assert type(rebuilt.layers[-1]).__name__ == kind
    assert all(type(layer).__module__.startswith("tf_keras.") for layer in rebuilt.layers)
    assert_same(model, cloned(rebuilt), batch)


def cloned(rebuilt):
    clone = tf_keras.models.clone_model(rebuilt)
    clone.set_weights(rebuilt.get_weights())
    return clone


def test_every_row_of_the_table_is_compared():
    from kerasnas.bridge.layers import LAYERS
    from kerasnas.bridge.operations import OPERATIONS

    made = {"SimpleRNNCell", "GRUCell", "LSTMCell", "StackedRNNCells"}  # inside RNN
    for case, (shape, make) in ONE_INPUT.items():
        x = keras.Input(shape, dtype="int32" if case in (*CATEGORIES, "op cast") else "float32")
        made |= {type(op).__name__ for op in keras.Model(x, make()(x)).operations}
    assert set(LAYERS) - made <= {layer.__name__ for layer in MERGES}
    functions = {type(op).__name__ for name in GIVEN for op in [function_operation(name)]}
    assert set(OPERATIONS) - made - functions <= {"Concatenate", "Maximum", "Minimum"}


def function_operation(name):
    x = keras.Input(IMAGE)
    return keras.Model(x, getattr(ops, name, ops.gelu)(x)).operations[-1]


MERGES = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate]


@pytest.mark.parametrize("merge", MERGES, ids=lambda m: m.__name__)
def test_merge_of_two_inputs_in_order(merge, assert_same):
    x, y = keras.Input(IMAGE), keras.Input(IMAGE)
    model = keras.Model([x, y], merge()([y, x]))
    rng = np.random.default_rng(0)
    assert_same(
        model, to_tf_keras(model), [rng.normal(size=(2, *IMAGE)).astype("float32") for _ in "xy"]
    )
