"""Every layer and operation that the bridge takes: what is predicted of it, against its file."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnas as kn
from kerasnas.bridge.layers import LAYERS
from kerasnas.bridge.operations import OPERATIONS
from kerasnas.hardware.keras_graph import RULES
from kerasnas.hardware.without_costs import REASONS

IMAGE, SEQUENCE, VECTOR = (8, 8, 4), (6, 8), (12,)
EACH = np.arange(1, 5, dtype="float32")
MATRIX = np.arange(48, dtype="float32")


def act(name):
    return layers.Activation(name)


def several(x, *readers):
    """One output of several layers that read the same."""
    return layers.Concatenate()([read(x) for read in readers])


def hard_silu(x):
    return x * (ops.relu6(x + 3.0) / 6.0)


def normalized(x):
    return layers.BatchNormalization()(x)


def small_network(*tail):
    return keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(4, 3), layers.BatchNormalization(), *tail]
    )


# Each family is one file, of an input and an output for each of its functions: shape, function.
FAMILIES = {
    "values": [
        *((IMAGE, f) for f in (ops.abs, ops.square, ops.sqrt, ops.exp, ops.log, ops.negative)),
        *((IMAGE, f) for f in (ops.rsqrt, ops.reciprocal, ops.sin, ops.cos, ops.log1p, ops.expm1)),
        *((IMAGE, f) for f in (ops.floor, ops.ceil, ops.round, ops.sign)),
        *((IMAGE, lambda x, e=e: ops.power(x, e)) for e in (2.0, 0.5, 3.0)),
        *((IMAGE, lambda x, b=b: ops.clip(x, *b)) for b in ((0, 6), (-1, 1), (0, 3), (-2, 3))),
        (IMAGE, lambda x: ops.sqrt(layers.Reshape((64, 4))(layers.MaxPooling2D(1)(x)))),
        (IMAGE, lambda x: ops.abs(layers.Reshape((64, 4))(layers.Conv2D(4, 3, padding="same")(x)))),
        (IMAGE, lambda x: ops.clip(layers.Conv2D(4, 3)(x), -1, 1)),
    ],
    "activations": [
        *((IMAGE, act(f)) for f in ("celu", "glu", "hard_shrink", "hard_tanh", "log_sigmoid")),
        *((IMAGE, act(f)) for f in ("soft_shrink", "sparse_plus", "sparse_sigmoid", "squareplus")),
        *((IMAGE, act(f)) for f in ("tanh_shrink", "gelu", "mish", "selu")),
        (IMAGE, lambda x: ops.gelu(x, approximate=True)),
        (IMAGE, lambda x: layers.ReLU(2.0, negative_slope=0.1)(x)),
        (IMAGE, lambda x: layers.ReLU(threshold=0.5)(x)),
        (IMAGE, lambda x: layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3)(x))),
        (VECTOR, lambda x: layers.PReLU()(layers.Dense(8)(x))),
        ((10, 4), lambda x: layers.PReLU(shared_axes=[1])(layers.Conv1D(4, 3)(x))),
    ],
    # x * relu6(x + 3) / 6 is one operator however it is written; what is only like it is not.
    "hard_silu": [
        (IMAGE, act("hard_silu")),
        (IMAGE, lambda x: x * (layers.ReLU(6.0)(x + 3.0) * (1 / 6))),
        (IMAGE, lambda x: layers.Multiply()([ops.relu6(layers.Conv2D(4, 1)(x) + 3.0) / 6.0, x])),
        (IMAGE, lambda x: hard_silu(layers.Conv2D(4, 3)(x))),
        (IMAGE, lambda x: (x * ops.relu6(x + 3.0)) / 6.0),
        (IMAGE, lambda x: x * ops.clip(x + 3.0, 0.0, 6.0) * (1 / 6)),
        (IMAGE, lambda x: layers.Multiply()([ops.hard_sigmoid(x), x])),
        (IMAGE, lambda x: several(ops.hard_sigmoid(x), lambda gate: x * gate, layers.ReLU())),
        (IMAGE, lambda x: several(x * ops.relu6(x + 3.0), lambda y: y / 6.0, layers.ReLU())),
        (IMAGE, lambda x: x * ops.relu6(x + 3.0)),
        (IMAGE, lambda x: x * (ops.relu6(x + 2.0) / 6.0)),
    ],
    "pairs": [
        (IMAGE, lambda x: x * EACH),
        (IMAGE, lambda x: x + EACH),
        (IMAGE, lambda x: x / EACH),
        (IMAGE, lambda x: 2.0 - layers.Conv2D(4, 3)(x) * EACH),
        (IMAGE, lambda x: x * np.arange(1, 33, dtype="float32").reshape(8, 4)),
        (IMAGE, lambda x: ops.maximum(x, 0.5)),
        (IMAGE, lambda x: ops.minimum(x, 0.25)),
        (IMAGE, lambda x: 1.0 / (x + 1.0)),
        (IMAGE, lambda x: x / ops.exp(x)),
        (IMAGE, lambda x: ops.where(x > 0.5, x, x * 2.0)),
        (IMAGE, lambda x: ops.where(x <= 0.5, x, 0.0)),
        (IMAGE, lambda x: ops.cast(x >= 0.5, "float32")),
        (IMAGE, lambda x: ops.stack([x, x + 1.0], axis=-1)),
    ],
    "shapes": [
        (IMAGE, lambda x: x[:, ::2, ::2]),
        (IMAGE, lambda x: layers.Conv2D(4, 1)(layers.Conv2D(4, 3)(x)[:, 1:5, :-1])),
        (IMAGE, lambda x: x[:, 1]),
        (IMAGE, lambda x: x[..., :2]),
        (IMAGE, lambda x: ops.concatenate(ops.split(x, 2, axis=-1), axis=1)),
        (IMAGE, lambda x: ops.add(*ops.split(x, 2, axis=1))),
        (IMAGE, lambda x: ops.concatenate(ops.split(x, [1, 3], axis=-1)[::-1], axis=-1)),
        (IMAGE, lambda x: ops.add(*ops.unstack(x[..., :2], 2, axis=-1))),
        (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)))),
        (IMAGE, lambda x: ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2)))),
        (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")),
        (IMAGE, lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)),
        (IMAGE, lambda x: ops.tile(x, (1, 2, 1, 1))),
        (IMAGE, lambda x: ops.repeat(x, 2, axis=1)),
        (IMAGE, lambda x: ops.flip(x, axis=1)),
        (IMAGE, lambda x: ops.swapaxes(x, 1, 2)),
        (IMAGE, lambda x: ops.moveaxis(x, 3, 1)),
        ((64, 4), lambda x: layers.UpSampling1D(2)(layers.Conv1D(4, 3, padding="same")(x))),
    ],
    "reductions": [
        (IMAGE, lambda x: ops.sum(x, axis=-1)),
        (IMAGE, lambda x: ops.sum(x, axis=(1, 2), keepdims=True)),
        (IMAGE, lambda x: ops.mean(x, axis=-1)),
        (IMAGE, lambda x: ops.max(x, axis=-1, keepdims=True)),
        (IMAGE, lambda x: ops.min(x, axis=1)),
        (IMAGE, lambda x: ops.var(x, axis=1)),
        (IMAGE, lambda x: ops.std(x, axis=1)),
        ((4, 6, 6, 2), lambda x: layers.GlobalAveragePooling3D()(x)),
        ((4, 6, 6, 2), lambda x: layers.GlobalMaxPooling3D()(x)),
    ],
    "volumes": [
        ((4, 6, 6, 2), lambda x: layers.Cropping3D(1)(x)),
        ((4, 6, 6, 2), lambda x: layers.ZeroPadding3D(1)(x)),
        ((4, 6, 6, 2), lambda x: layers.Conv3D(3, 3)(x)),
    ],
    "images": [
        (IMAGE, lambda x: layers.Conv2D(4, 3)(layers.RandomTranslation(0.1, 0.1)(x))),
        (IMAGE, lambda x: layers.RandomRotation(0.1)(layers.Conv2D(4, 3)(layers.RandomFlip()(x)))),
        (IMAGE, lambda x: layers.Resizing(6, 5)(layers.Conv2D(4, 1)(x))),
        (IMAGE, lambda x: layers.Resizing(16, 16, interpolation="nearest")(x)),
        (IMAGE, lambda x: layers.Resizing(6, 4, crop_to_aspect_ratio=True)(x)),
        (IMAGE, lambda x: layers.CenterCrop(6, 5)(layers.Conv2D(4, 1)(x))),
        (VECTOR, lambda x: layers.Dense(3)(layers.AlphaDropout(0.1)(x))),
        (SEQUENCE, lambda x: layers.Dense(4)(layers.Masking()(x))),
    ],
    "steps": [
        (SEQUENCE, lambda x: layers.TimeDistributed(layers.Dense(3, activation="relu"))(x)),
        ((3, 8, 8, 2), lambda x: layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"))(x)),
        ((3, 4, 2), lambda x: layers.TimeDistributed(layers.Flatten())(x)),
        ((3, 4, 2), lambda x: layers.TimeDistributed(layers.BatchNormalization())(x)),
        ((3, 4, 4, 2), lambda x: layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)),
        (
            (3, 8, 8, 2),
            lambda x: layers.TimeDistributed(
                small_network(layers.MaxPooling2D(), layers.Flatten(), layers.Dense(5))
            )(x),
        ),
        (
            (3, 8, 8, 2),
            lambda x: layers.TimeDistributed(
                small_network(layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(5))
            )(x),
        ),
    ],
    "both ways": [
        (SEQUENCE, lambda x: layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)),
        (SEQUENCE, lambda x: layers.Bidirectional(layers.LSTM(4), merge_mode="sum")(x)),
    ],
    "unrolled": [
        ((7, 3), lambda x: layers.SimpleRNN(4, unroll=True, go_backwards=True)(x)),
        ((4, 5), lambda x: layers.GRU(3, unroll=True, return_sequences=True)(x)),
        ((3, 4), lambda x: layers.RNN(layers.GRUCell(3), unroll=True)(x)),
    ],
    "products": [
        (SEQUENCE, lambda x: ops.matmul(x, ops.transpose(layers.Dense(8)(x), (0, 2, 1)))),
        (SEQUENCE, lambda x: ops.matmul(x, np.arange(24, dtype="float32").reshape(8, 3))),
        (SEQUENCE, lambda x: layers.Dot(axes=(2, 2))([x, layers.Dense(8)(x)])),
        (
            SEQUENCE,
            lambda x: layers.EinsumDense("abc,cd->abd", output_shape=(6, 5), bias_axes="d")(x),
        ),
        (
            SEQUENCE,
            lambda x: layers.EinsumDense("abc,cde->abde", output_shape=(6, 2, 4), bias_axes="de")(
                x
            ),
        ),
        (
            (6, 2, 4),
            lambda x: layers.EinsumDense("abcd,cde->abe", output_shape=(6, 5), activation="relu")(
                x
            ),
        ),
    ],
    "along axes": [
        (IMAGE, lambda x: ops.argmax(x, axis=-1)),
        (IMAGE, lambda x: ops.argmax(x, axis=1, keepdims=True)),
        (VECTOR, lambda x: ops.argmin(layers.Dense(5)(x), axis=-1)),
        (SEQUENCE, lambda x: layers.Dense(2)(ops.cast(ops.argmin(x, axis=-1), "float32"))),
        (SEQUENCE, lambda x: ops.argmax(x, axis=1) + ops.argmin(x, axis=1)),
        (SEQUENCE, lambda x: layers.Dense(2)(ops.cumsum(layers.Dense(3)(x), axis=1))),
        (SEQUENCE, lambda x: ops.roll(x, 2, axis=1)),
        (IMAGE, lambda x: ops.roll(x, (-1, 8, 3), axis=(1, 3, 2))),
        (SEQUENCE, lambda x: ops.take(x, [0, 2, -1], axis=1)),
        (SEQUENCE, lambda x: ops.take(x, 2, axis=-1)),
        (IMAGE, lambda x: ops.take(x, [[0, 1], [2, 1]], axis=1)),
        (SEQUENCE, lambda x: ops.logsumexp(x, axis=-1)),
        (IMAGE, lambda x: ops.logsumexp(x, axis=(1, 2), keepdims=True)),
        (IMAGE, lambda x: layers.Softmax(axis=(1, 2))(x)),
        (IMAGE, lambda x: layers.Softmax(axis=(2, 3))(x)),
        (IMAGE, lambda x: ops.max_pool(x, 2)),
        (SEQUENCE, lambda x: ops.average_pool(x, 2, strides=1, padding="same")),
        ((2, 4, 4, 2), lambda x: layers.UpSampling3D((2, 1, 3))(x)),
    ],
    "normalizations": [
        (IMAGE, lambda x: ops.normalize(x, axis=-1)),
        (VECTOR, lambda x: ops.normalize(layers.Dense(4)(x), axis=-1, order=1)),
        (IMAGE, lambda x: ops.normalize(x, axis=(1, 2))),
        (VECTOR, lambda x: layers.UnitNormalization()(layers.Dense(4)(x))),
        (IMAGE, lambda x: layers.UnitNormalization(axis=(2, 3))(x)),
        (IMAGE, lambda x: layers.ReLU()(layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(x)))),
        (SEQUENCE, lambda x: layers.Dense(3)(layers.BatchNormalization(axis=1)(x))),
        (IMAGE, lambda x: layers.LayerNormalization(axis=(1, 2))(x)),
        (IMAGE, lambda x: layers.LayerNormalization(axis=(2, 3))(x)),
        (IMAGE, lambda x: layers.LayerNormalization(axis=(1, 2, 3), center=False)(x)),
        (IMAGE, lambda x: layers.LayerNormalization(axis=1, scale=False)(x)),
        (SEQUENCE, lambda x: layers.LayerNormalization(epsilon=1e-6, center=False)(x)),
        (IMAGE, lambda x: layers.GroupNormalization(2, axis=1)(x)),
    ],
    "equations": [
        (SEQUENCE, lambda x: ops.einsum("bij,bkj->bik", x, layers.Dense(8)(x))),
        (SEQUENCE, lambda x: ops.einsum("bji,bjk->bki", x, layers.Dense(5)(x))),
        (SEQUENCE, lambda x: ops.einsum("bij,bkj->bki", x, layers.Dense(8)(x)[:, :3])),
        (SEQUENCE, lambda x: ops.einsum("...i,...i->...", x, layers.Dense(8)(x))),
        (SEQUENCE, lambda x: ops.einsum("bij->bji", x)),
        ((6, 2, 4), lambda x: ops.einsum("bqhd,bkhd->bhqk", x, layers.Dense(4)(x))),
        ((6, 2, 4), lambda x: ops.einsum("bkhq,bkhd->bqhd", x, layers.Dense(3)(x))),
        ((3, 4, 5), lambda x: ops.einsum("bijk,bljk->bil", x, layers.Dense(5)(x))),
        ((3, 4, 5), lambda x: ops.einsum("bjki,bjkl->bil", x, layers.Dense(6)(x))),
        (VECTOR, lambda x: ops.einsum("bi,bj->bij", x, layers.Dense(5)(x))),
        (SEQUENCE, lambda x: ops.einsum("bij,jkl->bikl", x, MATRIX.reshape(8, 2, 3))),
        (SEQUENCE, lambda x: ops.einsum("bij,ik->bkj", x, MATRIX[:24].reshape(6, 4))),
    ],
    # A biased dense layer takes factors and offsets before it, those of a kernel too.
    "read before an offset": [
        (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), act("sigmoid"))),
        (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), layers.Dense(5))),
        (VECTOR, lambda x: several(layers.Dense(3)(x), layers.Dense(4), layers.ReLU())),
        (VECTOR, lambda x: several(layers.Dense(3)(x), layers.ReLU(), act("sigmoid"))),
        (VECTOR, lambda x: several(normalized(layers.Dense(3)(x)), layers.Dense(4), layers.ReLU())),
        (VECTOR, lambda x: layers.Dense(4)(normalized(layers.Dense(3, use_bias=False)(x)))),
        (VECTOR, lambda x: several(normalized(x), layers.Dense(4), layers.Dense(5))),
        (VECTOR, lambda x: several(normalized(x), layers.Dense(4), layers.ReLU())),
        (IMAGE, lambda x: several(layers.Conv2D(3, 3)(x), layers.Dense(4), act("sigmoid"))),
        (
            IMAGE,
            lambda x: several(normalized(layers.Conv2D(3, 3)(x)), layers.Dense(4), act("tanh")),
        ),
        (SEQUENCE, lambda x: several(layers.Conv1D(3, 3)(x), layers.Dense(4), act("sigmoid"))),
    ],
    # Without an offset between them, dense layers hand on matrices.
    "rows": [
        (SEQUENCE, lambda x: layers.Dense(3)(layers.Dense(4, use_bias=False)(x))),
        (IMAGE, lambda x: layers.Conv2D(2, 3)(layers.Dense(3)(layers.Dense(4, use_bias=False)(x)))),
        (
            SEQUENCE,
            lambda x: several(layers.Dense(4, use_bias=False)(x), layers.Dense(3), act("tanh")),
        ),
        (SEQUENCE, lambda x: layers.Dense(3)(layers.Dense(4)(layers.Dense(5)(x)))),
        (SEQUENCE, lambda x: layers.ReLU()(layers.Dense(3)(layers.ReLU()(layers.Dense(4)(x))))),
    ],
    "attention": [
        (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4)(x, x)),
        (SEQUENCE, lambda x: layers.MultiHeadAttention(1, 4)(x, x)),
        (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4, value_dim=3, use_bias=False)(x, x)),
        (SEQUENCE, lambda x: layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)),
        (SEQUENCE, lambda x: layers.Attention(use_scale=True)([x, layers.Dense(8)(x)])),
        (SEQUENCE, lambda x: layers.AdditiveAttention()([x, layers.Dense(8)(x)])),
    ],
}
# Of many branches: buffers of one size change places where some are in floats, steps are a batch,
# and either of two transpositions may be the first.
NEAR = {
    ("steps", "int8"): 0.04,
    ("values", "int8"): 0.04,
    ("normalizations", "int8"): 0.04,
    **{("equations", dtype): 0.07 for dtype in ("int8", "float32")},
}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_costs_what_its_file_costs(family, dtype, compare):
    keras.utils.set_random_seed(0)
    inputs = [keras.Input(shape) for shape, _ in FAMILIES[family]]
    outputs = [make(x) for x, (_, make) in zip(inputs, FAMILIES[family], strict=True)]
    compare(keras.Model(inputs, outputs), dtype, head=NEAR.get((family, dtype), 0), slack=100)


def test_an_unrolled_lstm_costs_what_its_file_costs(rng, compare):
    """In 8 bits the first forget gate, which nothing reads, may stay in floating point."""
    model = keras.Sequential([keras.Input((7, 5)), layers.LSTM(6, unroll=True), layers.Dense(2)])
    compare(model, "float32", slack=100)
    data = rng.random((8, 7, 5), dtype=np.float32)
    file = kn.export.to_tflite(model, "int8", data)
    profile, real = kn.profile(model), kn.hardware.profile_tflite(file)
    assert profile.macs == real.macs
    assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=0.05)
    assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.05)


INTEGERS = {
    "rescaled": ("uint8", IMAGE, lambda x: layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(x))),
    "moved": (
        "uint8",
        IMAGE,
        lambda x: layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 127.5, -1)(x)),
    ),
    "normalized": (
        "uint8",
        IMAGE,
        lambda x: layers.Conv2D(4, 3)(layers.Normalization(mean=EACH, variance=EACH)(x)),
    ),
    "augmented": ("uint8", IMAGE, lambda x: layers.Conv2D(4, 3)(layers.RandomFlip()(x))),
    "dense": ("int32", VECTOR, layers.Dense(3)),
    "indices": (
        "int32",
        (5,),
        lambda x: layers.Dense(3)(layers.Flatten()(layers.Embedding(9, 4)(x))),
    ),
    "float indices": ("float32", (5,), lambda x: layers.Embedding(9, 4)(x)),
}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_cost_what_their_file_costs(kind, dtype, compare):
    if (kind, dtype) == ("normalized", "int8"):
        pytest.skip(
            "a Normalization of pixels is one of floats, whose test is test_a_normalization"
        )
    given, shape, make = INTEGERS[kind]
    x = keras.Input(shape, dtype=given)
    compare(keras.Model(x, make(x)), dtype, slack=100)


def test_what_the_bridge_takes_has_a_cost_or_a_reason():
    assert {*LAYERS, *OPERATIONS} - set(RULES) <= set(REASONS)


REFUSED = [
    ((4, 4, 4, 2), layers.MaxPooling3D(2), "'it'.*no operator.*TimeDistributed"),
    (VECTOR, layers.CategoryEncoding(4), "'it'.*no operator.*Embedding"),
    (VECTOR, layers.Discretization([0.5]), "'it'.*Micro.*before the model"),
    ((3, 6, 6, 2), layers.ConvLSTM2D(3, 3), "'it'.*loop.*LSTM.*profile_tflite"),
    (SEQUENCE, layers.RNN(layers.LSTMCell(4)), "'it'.*LSTMCell.*unroll=True"),
    (SEQUENCE, layers.RNN([layers.GRUCell(4)] * 2, unroll=True), "'it'.*StackedRNNCells.*own"),
    (
        VECTOR,
        layers.Activation("sparsemax"),
        "'it'.*sparsemax.*use softmax|sparsemax.*'it'.*softmax",
    ),
    (IMAGE, layers.LayerNormalization(rms_scaling=True), "'it'.*rms_scaling"),
]


@pytest.mark.parametrize(("shape", "layer", "message"), REFUSED)
def test_what_has_no_cost_says_why_and_what_to_do(shape, layer, message):
    layer.name = "it"
    with pytest.raises(ValueError, match=message):
        kn.profile(keras.Sequential([keras.Input(shape), layer]))


REFUSED_OPERATIONS = [
    (lambda x: ops.argmax(x), "'it'.*the batch among it"),
    (lambda x: ops.roll(x, 1), "'it'.*the batch among it"),
    (lambda x: ops.normalize(x, order=3), "'it'.*order=2"),
    (lambda x: ops.take(MATRIX, ops.argmax(x, axis=-1), axis=0), "'it'.*Embedding"),
    (lambda x: ops.cumprod(x, axis=1), "'it'.*cumsum"),
    (lambda x: ops.einsum("bij->bi", x), "'it'.*bij->bi"),
    (lambda x: ops.einsum("bij,bij,bij->b", x, x, x), "'it'.*3 operands"),
    (lambda x: ops.einsum("kj,bij->bik", MATRIX.reshape(6, 8), x), "'it'.*a constant second"),
    (lambda x: ops.einsum("bij,ij->bij", x, MATRIX.reshape(6, 8)), "'it'.*summed over"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED_OPERATIONS)
def test_an_operation_without_a_cost_says_what_to_do(function, message):
    x = keras.Input(SEQUENCE)
    model = keras.Model(x, function(x))
    model.operations[-1].name = "it"
    with pytest.raises(ValueError, match=message):
        kn.profile(model)


READING_MASKS = [
    layers.LSTM(3, name="it"),
    layers.GlobalAveragePooling1D(name="it"),
    lambda x: layers.Attention(name="it")([x, x]),
    lambda x: layers.MultiHeadAttention(2, 4, name="it")(x, x),
]


@pytest.mark.parametrize("read", READING_MASKS)
def test_who_reads_a_mask_is_named(read):
    x = keras.Input(SEQUENCE)
    with pytest.raises(ValueError, match=r"'it' of class .* reads a mask.*leave the Masking"):
        kn.profile(keras.Model(x, read(layers.Masking()(x))))


def test_a_class_derived_from_augmentation_costs_nothing():
    class Mine(layers.RandomFlip):
        """A user's own."""

    def profile(*first):
        tail = [layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D(name="pool")]
        return kn.profile(keras.Sequential([keras.Input(IMAGE), *first, *tail]))

    augmented, plain = profile(Mine()), profile()
    assert (augmented.flash_bytes, augmented.macs) == (plain.flash_bytes, plain.macs)
    assert augmented.ram_bytes == plain.ram_bytes
