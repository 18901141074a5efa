import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras
from kerasnas.compression.bridge import build, read, verify

L = keras.layers
ops = keras.ops


def randomise(model, seed=0):
    """Every weight random, BatchNormalization's statistics too: fresh ones hide differences."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(0, 0.5, weight.shape)
        if "variance" in weight.path or "var" in weight.name:
            values = rng.uniform(0.5, 2.0, weight.shape)
        weight.assign(values.astype("float32") if "float" in str(weight.dtype) else values)
    return model


def assert_same(model, rebuilt, inputs):
    want = [ops.convert_to_numpy(y) for y in keras.tree.flatten(model(inputs, training=False))]
    got = rebuilt(keras.tree.flatten(inputs) if isinstance(inputs, list | dict) else inputs)
    got = got if isinstance(got, list | tuple) else [got]
    assert len(want) == len(got)
    for w, g in zip(want, got, strict=True):
        assert w.std() > 0, "a constant output compares nothing"
        assert np.abs(w - np.asarray(g)).max() <= 1e-5 * np.abs(w).max()


IMAGE, LINE, ROW, WORDS = (8, 8, 4), (9, 4), (6,), (7,)
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
    "embedding": (WORDS, lambda: L.Embedding(11, 5)),
    "lstm": (LINE, lambda: L.LSTM(5, return_sequences=True)),
    "gru": (LINE, lambda: L.GRU(5)),
    "gru v1": (LINE, lambda: L.GRU(5, reset_after=False)),
    "rnn": (LINE, lambda: L.SimpleRNN(5, go_backwards=True)),
    "maxpool": (IMAGE, lambda: L.MaxPooling2D(3, strides=1, padding="same")),
    "avgpool": (IMAGE, lambda: L.AveragePooling2D(3, strides=1, padding="same")),
    "maxpool1d": (LINE, lambda: L.MaxPooling1D(2)),
    "avgpool1d": (LINE, lambda: L.AveragePooling1D(2)),
    "gap": (IMAGE, lambda: L.GlobalAveragePooling2D()),
    "gap kept": (IMAGE, lambda: L.GlobalAveragePooling2D(keepdims=True)),
    "gmp": (IMAGE, lambda: L.GlobalMaxPooling2D()),
    "gap1d": (LINE, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "gmp1d": (LINE, lambda: L.GlobalMaxPooling1D()),
    "dropout": (IMAGE, lambda: L.Dropout(0.5, seed=3)),
    "spatial dropout": (IMAGE, lambda: L.SpatialDropout2D(0.5)),
    "spatial dropout 1d": (LINE, lambda: L.SpatialDropout1D(0.5)),
    "noise": (IMAGE, lambda: L.GaussianNoise(0.5)),
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
    "op relu": (IMAGE, lambda: ops.relu),
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
    "op divide": (IMAGE, lambda: lambda x: ops.divide(x, -4)),
    "op affine": (IMAGE, lambda: lambda x: (3.0 - x * 2.0) / 4.0 - 1.0 + (2.0 + x)),
}


@pytest.mark.parametrize("case", ONE_INPUT)
def test_layer_of_one_input(case):
    shape, make = ONE_INPUT[case]
    inputs = keras.Input(shape, dtype="int32" if case == "embedding" else "float32")
    layer = make()
    model = randomise(keras.Model(inputs, layer(inputs)))
    batch = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    if case == "embedding":
        batch = np.random.default_rng(1).integers(0, 11, (2, *shape))
    rebuilt = to_tf_keras(model)
    assert_same(model, rebuilt, batch)
    if isinstance(layer, L.Layer):
        assert type(rebuilt.layers[-1]).__name__ == type(layer).__name__
    assert all(type(layer).__module__.startswith("tf_keras.") for layer in rebuilt.layers)


def test_every_row_of_the_table_is_compared():
    from kerasnas.compression.bridge.layers import LAYERS
    from kerasnas.compression.bridge.operations import OPERATIONS

    made = set()
    for shape, make in ONE_INPUT.values():
        layer = make()
        if isinstance(layer, L.Layer):
            made.add(type(layer).__name__)
        else:
            x = keras.Input(shape)
            made |= {type(op).__name__ for op in keras.Model(x, layer(x)).operations}
    assert set(LAYERS) - made <= {layer.__name__ for layer in MERGES}
    assert set(OPERATIONS) - made <= {"Concatenate", "Maximum", "Minimum"}


MERGES = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate]
MERGE_OPS = [ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum]


@pytest.mark.parametrize("merge", MERGES, ids=lambda m: m.__name__)
def test_merge_of_two_inputs_in_order(merge):
    x, y = keras.Input(IMAGE), keras.Input(IMAGE)
    model = keras.Model([x, y], merge()([y, x]))
    rng = np.random.default_rng(0)
    assert_same(
        model, to_tf_keras(model), [rng.normal(size=(2, *IMAGE)).astype("float32") for _ in "xy"]
    )


@pytest.mark.parametrize("merge", MERGE_OPS, ids=lambda m: m.__name__)
def test_merge_operation_broadcasts(merge):
    x, y = keras.Input(IMAGE), keras.Input((1, 1, 4))
    model = keras.Model([x, y], merge(y, x))
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(2, *shape)).astype("float32") for shape in (IMAGE, (1, 1, 4))]
    assert_same(model, to_tf_keras(model), batch)


def test_concatenate_operation():
    x, y = keras.Input(IMAGE), keras.Input(IMAGE)
    model = keras.Model([x, y], ops.concatenate([y, x], axis=2))
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(2, *IMAGE)).astype("float32") for _ in "xy"]
    assert_same(model, to_tf_keras(model), batch)


def test_shared_layer_stays_shared():
    x, y = keras.Input(ROW), keras.Input(ROW)
    dense = L.Dense(4, name="shared")
    model = randomise(keras.Model([x, y], L.Subtract()([dense(x), dense(y)])))
    rebuilt = to_tf_keras(model)
    assert len(rebuilt.weights) == 2
    batch = [np.ones((2, 6), "float32"), np.arange(12, dtype="float32").reshape(2, 6)]
    assert_same(model, rebuilt, batch)


def test_nested_models_are_inlined_and_names_stay_unique():
    def inner():
        model = keras.Sequential([keras.Input(IMAGE), L.Conv2D(4, 3, padding="same", name="conv")])
        model.add(L.BatchNormalization(name="norm"))
        return model

    first, second = inner(), inner()
    x = keras.Input(IMAGE)
    model = randomise(keras.Model(x, second(first(first(x)))))
    rebuilt = to_tf_keras(model)
    names = [layer.name for layer in rebuilt.layers[1:]]
    assert names == ["conv", "norm", "conv_1", "norm_1"]
    assert_same(model, rebuilt, np.random.default_rng(0).normal(size=(2, *IMAGE)).astype("f4"))


def test_several_inputs_and_outputs_keep_their_order():
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    x, y = L.Dense(2, name="big")(a), L.Dense(7, name="small")(b)
    model = randomise(keras.Model([a, b], [y, x]))
    rebuilt = to_tf_keras(model)
    assert [tuple(t.shape) for t in rebuilt.inputs] == [(None, 3), (None, 5)]
    assert [tuple(t.shape) for t in rebuilt.outputs] == [(None, 7), (None, 2)]


def test_inputs_and_outputs_by_name():
    a, b = keras.Input((3,), name="z"), keras.Input((3,), name="a")
    model = randomise(keras.Model({"z": a, "a": b}, {"out": L.Subtract()([a, b])}))
    batch = {"a": np.ones((2, 3), "f4"), "z": np.arange(6, dtype="f4").reshape(2, 3)}
    assert_same(model, to_tf_keras(model), batch)


def test_mask_of_an_embedding_reaches_the_recurrent_layer():
    x = keras.Input(WORDS, dtype="int32")
    model = randomise(keras.Model(x, L.LSTM(4)(L.Embedding(5, 3, mask_zero=True)(x))))
    batch = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 3, 2, 1, 2, 0, 0]])
    assert_same(model, to_tf_keras(model), batch)


def test_the_source_model_is_not_changed():
    model = randomise(keras.Sequential([keras.Input(ROW), L.Dense(3), L.BatchNormalization()]))
    before = [weight.copy() for weight in model.get_weights()]
    rebuilt = to_tf_keras(model)
    rebuilt.set_weights([weight + 1 for weight in rebuilt.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_every_layer_that_cannot_be_carried_is_named_at_once():
    x = keras.Input(IMAGE)
    y = L.Activation("hard_sigmoid", name="one")(x)
    y = L.Lambda(lambda t: t * 2, name="two")(y)
    y = L.RMSNormalization(name="three")(y)
    y = ops.sort(y)
    with pytest.raises(ValueError, match="cannot be rebuilt") as error:
        to_tf_keras(keras.Model(x, y))
    message = str(error.value)
    for name in ("'one' (Activation)", "'two' (Lambda)", "'three' (RMSNorm", "(Sort)"):
        assert name in message
    assert "hard_sigmoid" in message


@keras.saving.register_keras_serializable("test_bridge")
class Dense(L.Dense):
    """Named as a Keras layer, doing something else."""

    def call(self, x):
        return 2 * super().call(x)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: Dense(3, name="own"), "no tf_keras layer"),
        (lambda: L.LayerNormalization(rms_scaling=True, name="own"), "rms_scaling=True"),
        (lambda: L.LSTM(3, zero_output_for_mask=True, name="own"), "zero_output_for_mask"),
        (lambda: L.Dense(3, dtype="mixed_float16", name="own"), "mixed_float16|float16"),
        (lambda: L.Dense(3, activation=ops.abs, name="own"), "activation"),
        (lambda: L.Bidirectional(L.LSTM(2), name="own"), "no tf_keras layer"),
    ],
)
def test_option_without_counterpart_is_an_error(layer, reason):
    x = keras.Input(LINE)
    with pytest.raises(ValueError, match=rf"'own'.*({reason})"):
        to_tf_keras(keras.Model(x, layer()(x)))


def test_a_rebuild_that_differs_is_refused():
    model = randomise(keras.Sequential([keras.Input(ROW), L.Dense(3)]))
    graph = read(model)
    rebuilt = build(graph)
    rebuilt.set_weights([weight * (1 + 1e-3) for weight in rebuilt.get_weights()])
    with pytest.raises(ValueError, match="output 0 differs by"):
        verify(model, graph, rebuilt)


def test_not_a_keras_model():
    with pytest.raises(ValueError, match="must be a Keras 3 model"):
        to_tf_keras(build(read(keras.Sequential([keras.Input((2,)), L.Dense(1)]))))
