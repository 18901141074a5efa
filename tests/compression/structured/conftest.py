"""Networks whose channels are pruned, and the comparison of a pruned one with what it was."""

import keras
import numpy as np
import pytest

from kerasnas.compression.structured.rebuild import rebuild
from kerasnas.compression.structured.trace import trace

L = keras.layers
ops = keras.ops


def conv_bn(x, filters, kernel=3, strides=1, activation="relu"):
    x = L.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(activation)(x) if activation else x


def head(x, name="head"):
    return L.Dense(3, name=name)(L.GlobalAveragePooling2D()(x))


def residual(x):
    x = conv_bn(x, 8)
    y = conv_bn(conv_bn(x, 6), 8, activation=None)
    x = L.ReLU()(L.Add()([x, y]))
    y = conv_bn(conv_bn(x, 12, strides=2), 12, activation=None)
    return head(L.Add()([conv_bn(x, 12, 1, 2, None), y]))


def squeeze_excite(x, how):
    channels = x.shape[-1]
    pooled = L.GlobalAveragePooling2D(keepdims=how == "keepdims")(x)
    if how == "reshape":
        pooled = L.Reshape((1, 1, channels))(pooled)
    if how == "dense":
        gate = L.Dense(channels, "sigmoid")(L.Dense(4, "relu")(pooled))
        gate = L.Reshape((1, 1, channels))(gate)
    else:
        gate = L.Conv2D(channels, 1, activation="hard_sigmoid")(
            L.Conv2D(4, 1, activation="relu")(pooled)
        )
    return L.Multiply()([x, gate])


def inverted_bottleneck(x, how):
    x = conv_bn(x, 6)
    y = conv_bn(x, 18, 1, activation="hard_silu")
    y = L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = squeeze_excite(L.ReLU(6.0)(L.BatchNormalization()(y)), how)
    return head(L.Add()([x, conv_bn(y, 6, 1, activation=None)]))


def dense_blocks(x):
    x = conv_bn(x, 6)
    for _ in range(3):
        y = conv_bn(L.ReLU()(L.BatchNormalization()(x)), 8, 1)
        x = L.Concatenate()([x, L.Conv2D(4, 3, padding="same")(y)])
    return head(L.AveragePooling2D(2)(x))


def flattened(x):
    x = L.MaxPooling2D(2)(L.Conv2D(12, 3, activation="relu")(x))
    return L.Dense(3)(L.Dropout(0.3)(L.Dense(10, "relu")(L.Flatten()(x))))


def multiplied(x):
    x = L.DepthwiseConv2D(3, depth_multiplier=3, padding="same")(conv_bn(x, 4))
    return head(L.Add()([x, L.SeparableConv2D(12, 3, padding="same", depth_multiplier=2)(x)]))


def up_and_down(x):
    y = L.Conv2DTranspose(6, 3, strides=2, padding="same")(conv_bn(x, 5, strides=2))
    z = L.UpSampling2D(2)(L.PReLU(shared_axes=[1, 2])(conv_bn(x, 6, strides=2)))
    return L.Conv2D(2, 1)(L.Cropping2D(1)(L.ZeroPadding2D(1)(L.Average()([y, L.PReLU()(z)]))))


def shared(x):
    x = conv_bn(x, 6)
    conv, norm = L.Conv2D(6, 3, padding="same"), L.BatchNormalization()
    fold = L.Reshape((64, 6))
    y = norm(conv(x))
    y = norm(L.Conv2D(6, 1)(conv(y)))
    y = L.GlobalMaxPooling1D()(L.Concatenate(axis=1)([fold(y), fold(conv(y))]))
    # One call of a layer ties or forbids what another one would leave free.
    rows = L.Reshape((-1, 6))
    pairs = L.Reshape((-1, 12))
    z = [rows(L.Conv2D(6, 3)(x)), rows(L.Conv2D(4, 3)(x))]
    z += [pairs(L.Conv2D(12, 3)(x)), pairs(L.Conv2D(4, 3)(x))]
    return L.Dense(3)(L.Concatenate()([y, *(L.Flatten()(part) for part in z)]))


def nested(x):
    inner = keras.Input(x.shape[1:])
    block = keras.Model(inner, [conv_bn(inner, 6), inner])
    y, same = block(x)
    twice = keras.Sequential(
        [keras.Input((8, 8, 6)), L.Conv2D(6, 3, padding="same"), L.Activation("softsign")]
    )
    return head(L.Concatenate()([twice(twice(y)), same]))


def operations_of_keras(x):
    x = ops.relu6(L.Conv2D(8, 3, padding="same")(x))
    y = ops.maximum(2.0 * x - 1.0, L.Conv2D(8, 1)(x))
    y = ops.concatenate([y, ops.transpose(x, (0, 2, 1, 3))], axis=-1)
    y = ops.reshape(y, (-1, 64, 16))
    y = ops.squeeze(ops.expand_dims(ops.mean(y, axis=1), 1), 1)
    return L.Dense(2)(ops.add(ops.tanh(y), L.Dense(16)(y)))


def kept_whole(x):
    """Everything around the channels that may go needs all of its own."""
    x = L.Conv2D(6, 3, padding="same", groups=3)(L.Conv2D(6, 1)(x))
    x = L.LayerNormalization()(L.Conv2D(8, 3, activation="relu")(L.Conv2D(5, 1)(x)))
    gate = L.Conv2D(1, 1, activation="sigmoid")(x)
    x = L.Multiply()([x, gate])
    x = L.Reshape((6, 24))(L.Conv2D(4, 1, activation="softmax")(x))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(L.Dense(5)(L.Dense(6)(x)))
    x = L.MultiHeadAttention(2, 3)(x, x)
    return L.Dense(2)(L.Dense(7)(L.Permute((2, 1))(x)))


# What each makes of an image of shape (8, 8, 3).
TOPOLOGIES = {
    "residual": residual,
    **{
        f"inverted bottleneck, {how}": lambda x, how=how: inverted_bottleneck(x, how)
        for how in ("keepdims", "reshape", "dense")
    },
    "dense blocks": dense_blocks,
    "flattened": flattened,
    "multiplied": multiplied,
    "up and down": up_and_down,
    "shared": shared,
    "nested": nested,
    "operations": operations_of_keras,
    "kept whole": kept_whole,
}


def pytest_generate_tests(metafunc):
    """Runs the tests that take a `topology` with each of the networks."""
    if "topology" in metafunc.fixturenames:
        metafunc.parametrize("topology", TOPOLOGIES)


@pytest.fixture
def build():
    """Builds a network by the name of its topology."""

    def of(topology):
        x = keras.Input((8, 8, 3))
        return keras.Model(x, TOPOLOGIES[topology](x), name="net")

    return of


@pytest.fixture
def compiled(build):
    """Builds and compiles a network."""

    def of(topology="residual"):
        keras.utils.set_random_seed(0)
        model = build(topology)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
        return model

    return of


@pytest.fixture
def several_ends():
    """A network of two inputs and two outputs, by name."""
    a, b = keras.Input((8, 8, 3), name="a"), keras.Input((8, 8, 2), name="b")
    y = L.Concatenate()([conv_bn(a, 6), conv_bn(b, 6), a])
    outputs = {"first": head(y, "first"), "second": L.Conv2D(2, 3, name="second")(y)}
    return keras.Model({"a": a, "b": b}, outputs)


def _randomise(model, seed=0):
    """Every weight random, BatchNormalization's statistics too: fresh ones hide differences."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(0, 0.3, weight.shape)
        if "variance" in weight.path:
            values = rng.uniform(0.5, 2, weight.shape)
        weight.assign(values)
    return model


def _predict(model, inputs):
    one = isinstance(model, keras.Sequential)
    given = inputs[0] if one else keras.tree.pack_sequence_as(model.input, inputs)
    outputs = keras.tree.flatten(model(given, training=False))
    return [ops.convert_to_numpy(y) for y in outputs]


def _assert_same(model, pruned, inputs):
    for want, got in zip(_predict(model, inputs), _predict(pruned, inputs), strict=True):
        assert want.std() > 0, "a constant output compares nothing"
        assert np.abs(want - got).max() <= 1e-5 * np.abs(want).max()


def _without_dead_channels(model, inputs, seed=0, share=0.5):
    """Zeroes every weight of some sets of channels, removes these sets, and compares outputs.

    A weight that the sets assign to the wrong channel would be zeroed at a place that still counts.
    """
    _randomise(model, seed)
    traced = trace(model)
    rng = np.random.default_rng(seed)
    gone = np.zeros(traced.labels, bool)
    gone[rng.choice(traced.removable, max(1, int(share * len(traced.removable))), False)] = True
    for weight in traced.weights.values():
        labels = weight.filter_labels
        # Nothing would be left of a layer whose channels are all among the dead.
        gone[labels[:1]] = False
    for weight in traced.weights.values():
        values = weight.values.copy()
        for axis, labels in enumerate(weight.axes.labels):
            if labels is not None:
                np.moveaxis(values, axis, 0)[gone[labels]] = 0
        getattr(weight.layer, weight.attribute).assign(values)
    pruned = rebuild(traced, gone)
    assert pruned.count_params() < model.count_params()
    _assert_same(model, pruned, inputs)
    return pruned


@pytest.fixture(scope="session")
def without_dead_channels():
    return _without_dead_channels
