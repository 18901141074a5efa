"""tf_keras models as Keras 3 models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import kerasnas as kn
from kerasnas.export import to_tflite, verify
from kerasnas.keras_models.keras_2 import from_tf_keras, is_tf_keras

L = tf_keras.layers
IMAGE, LINE = (8, 8, 4), (9, 4)


def network(shape, make, dtype="float32", library=tf_keras):
    x = library.Input(shape, dtype=dtype)
    return library.Model(x, make(x))


def words(layer, **options):
    return lambda x: layer(L.Embedding(10, 4, **options)(x))


def nested(x):
    inner = network(IMAGE, lambda x: L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(x)))
    return inner(inner(x))


def shared(x):
    layer = L.Dense(4, activation="relu")
    return layer(layer(x))


def adapted(x):
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, *IMAGE)).astype("float32"))
    return layer(x)


def operations(x):
    y = tf.concat([x[:, 1:], 2.0 * x[:, :1]], axis=1)
    y = tf.reduce_mean(tf.transpose(1 - y / 3, [0, 2, 1]), axis=-1, keepdims=True)
    return tf.nn.relu(tf.clip_by_value(y, -1.0, 0.9) + tf.squeeze(y, -1)[:, :, None])


MODELS = {
    "convolutions": (IMAGE, lambda x: L.Conv2DTranspose(4, 3)(L.SeparableConv2D(6, 3)(x))),
    "depthwise": (IMAGE, lambda x: L.ReLU(6.0)(L.DepthwiseConv2D(3, name="a/b")(x))),
    "normalization": (IMAGE, lambda x: L.LeakyReLU(0.2)(L.BatchNormalization()(x))),
    "given statistics": (IMAGE, lambda x: L.Normalization(mean=[1] * 4, variance=[4] * 4)(x)),
    "adapted": (IMAGE, adapted),
    "hard sigmoid": (IMAGE, lambda x: L.Conv2D(3, 3, activation="hard_sigmoid")(x)),
    "regularized": (LINE, lambda x: L.Dense(3, kernel_regularizer="l2", trainable=False)(x)),
    "recurrent": (LINE, lambda x: L.Bidirectional(L.LSTM(3))(L.TimeDistributed(L.Dense(5))(x))),
    "first state": (LINE, lambda x: L.GRU(3)(x, initial_state=L.Dense(3)(L.Flatten()(x)))),
    "attention": (LINE, lambda x: L.LayerNormalization()(L.MultiHeadAttention(2, 3)(x, x))),
    "mask": ((7,), words(L.GRU(3), mask_zero=True)),
    "lambda": (LINE, lambda x: L.Lambda(lambda x, by: by * x, arguments={"by": 2.0})(x)),
    "operations": (LINE, operations),
    "nested": (IMAGE, nested),
    "shared": (LINE, shared),
}


def randomise(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.is_floating:
            weight.assign(rng.uniform(0.2, 1, weight.shape))
    return model


@pytest.mark.parametrize("case", MODELS)
def test_it_computes_the_same(case):
    shape, make = MODELS[case]
    model = network(shape, make) if case == "adapted" else randomise(network(shape, make))
    built = from_tf_keras(model)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)) if len(shape) > 1 else rng.integers(0, 10, (3, *shape))
    x = x.astype("float32")
    want = np.asarray(model(x))
    assert np.std(want) > 0, "a constant output compares nothing"
    np.testing.assert_allclose(built(x), want, atol=1e-5 * np.abs(want).max())
    assert built.count_params() == model.count_params()
    trainable = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    assert sum(np.prod(weight.shape) for weight in built.trainable_weights) == trainable


def test_costs_are_those_of_the_network_in_keras_3():
    given = {"input_shape": (32, 32, 3), "weights": None, "classes": 4}
    old = kn.profile(tf_keras.applications.MobileNetV2(**given))
    new = kn.profile(keras.applications.MobileNetV2(**given))
    assert (old.params, old.macs, old.ram_bytes) == (new.params, new.macs, new.ram_bytes)
    assert old.flash_bytes == pytest.approx(new.flash_bytes, rel=0.01)


def several(library, loss, metrics):
    layers = library.layers
    a, b = library.Input((8,), name="a"), library.Input((4,), name="b")
    y = layers.Concatenate()([layers.Dense(4, activation="relu")(a), layers.Dense(4)(b)])
    outputs = [
        layers.Dense(3, activation="softmax", name="p")(y),
        layers.Dense(1, name="q")(y),
    ]
    model = library.Model({"a": a, "b": b}, outputs)
    model.compile("adam", loss, metrics=metrics, loss_weights={"p": 2.0, "q": 0.5})
    return model


@pytest.mark.parametrize(
    ("loss", "metrics"),
    [
        ({"p": "sparse_categorical_crossentropy", "q": "mse"}, {"p": ["accuracy"], "q": "mae"}),
        (
            [tf_keras.losses.SparseCategoricalCrossentropy(), tf_keras.losses.Huber(0.5)],
            [[tf_keras.metrics.SparseCategoricalAccuracy("right")], [tf_keras.losses.mse]],
        ),
        (["sparse_categorical_crossentropy", tf_keras.losses.mae], ["mae"]),
    ],
    ids=["names", "objects", "one list"],
)
def test_it_is_compiled_with_the_same(loss, metrics, rng):
    model = several(tf_keras, loss, metrics)
    x = {"a": rng.normal(size=(32, 8)), "b": rng.normal(size=(32, 4))}
    y = [rng.integers(0, 3, (32, 1)), rng.normal(size=(32, 1))]
    want = model.evaluate(x, y, verbose=0, return_dict=True)
    got = from_tf_keras(model).evaluate(x, y, verbose=0, return_dict=True)
    for value in want.values():
        assert any(np.isclose(value, other, rtol=1e-4) for other in got.values()), (want, got)
    assert got["loss"] == pytest.approx(want["loss"], rel=1e-4)


def test_it_is_compressed_and_verified(rng):
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            L.Conv2D(8, 3, padding="same", input_shape=IMAGE),
            L.BatchNormalization(),
            L.ReLU(),
            L.Conv2D(8, 3, activation="relu", name="named"),
            L.GlobalAveragePooling2D(),
            L.Dense(2),
        ]
    )
    model.compile("adam", tf_keras.losses.MeanSquaredError(), metrics=["mae"])
    x = rng.normal(size=(96, *IMAGE)).astype("float32")
    y = x.mean((1, 2))[:, :2]
    model.fit(x, y, epochs=2, verbose=0)
    before = model.get_weights()
    recipe = [kn.Quantize("int8", epochs=1)]
    small = kn.compress(model, recipe, train_data=(x, y), validation_data=(x, y))
    first, last = small.report[0], small.report[-1]
    assert first["metric"] == "mae"
    assert first["value"] == pytest.approx(model.evaluate(x, y, verbose=0)[1], rel=1e-4)
    assert last["bytes"] < first["bytes"]
    assert "named" in {layer.name for layer in small.origin.model.layers}
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    found = verify(to_tflite(model), x, y, model)
    assert max(found.largest_difference.values()) < 1e-4
    teacher = kn.Distill(teacher=model).teacher
    np.testing.assert_allclose(teacher(x), model(x), atol=1e-5)


class Own(L.Layer):
    def call(self, x):
        return 2 * x


class Subclass(tf_keras.Model):
    def call(self, x):
        return x


class OwnLoss(tf_keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_true - y_pred


def test_what_has_no_counterpart_is_named_with_a_way_out():
    model = network(LINE, lambda x: tf.cumsum(Own(name="own")(L.Dense(3, tf.sin, name="d")(x))))
    for take in (kn.profile, lambda model: kn.compress(model, "auto", train_data=())):
        with pytest.raises(ValueError, match=r"to_tflite[^$]*profile_tflite") as error:
            take(model)
        for said in ("'own' (Own)", "'d' (Dense): activation", "tf.math.cumsum has no"):
            assert said in str(error.value)
    with pytest.raises(ValueError, match=r"no graph to read.*Subclass"):
        kn.profile(Subclass())
    model = network(LINE, L.Dense(2))
    model.compile("adam", OwnLoss())
    with pytest.raises(ValueError, match=r"The loss OwnLoss .* no counterpart in Keras 3"):
        from_tf_keras(model)


def test_what_is_none_is_told_apart():
    assert is_tf_keras(tf_keras.Sequential())
    assert is_tf_keras(Subclass())
    assert not is_tf_keras(keras.Sequential())
    assert not is_tf_keras(L.Dense(2))
    assert not is_tf_keras("model.keras")
