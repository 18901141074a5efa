"""Layers and operations without a tf_keras counterpart, which are called as they are."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from kerasnas.bridge import canonical, read
from kerasnas.compression import Prune, Quantize, compress, to_tf_keras
from kerasnas.compression.prune import prunable
from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.inspection import float_operators

L = keras.layers
ops = keras.ops
IMAGE, LINE, WORDS = (8, 8, 4), (9, 4), (7,)


@keras.saving.register_keras_serializable("test_passthrough")
class Dense(L.Dense):
    """Named as a Keras layer, doing something else."""

    def call(self, x):
        return 2 * super().call(x)


class Own(L.Layer):
    """Weights of every kind, and training that differs from inference."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dense, self.norm = L.Dense(3, use_bias=False), L.BatchNormalization()
        self.drop = L.Dropout(0.5)

    def build(self, shape):
        self.dense.build(shape)
        self.norm.build((*shape[:-1], 3))

    def call(self, x, mask=None, training=None):
        y = self.drop(self.norm(self.dense(x), training=training), training=training)
        return y if mask is None else y * ops.expand_dims(ops.cast(mask, "float32"), -1)


def randomise(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape) * rng.choice([-1, 1], weight.shape))
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return model


def assert_same(model, rebuilt, batch):
    want = keras.tree.flatten(model(batch, training=False))
    for w, g in zip(want, keras.tree.flatten(rebuilt(batch)), strict=True):
        assert np.std(w) > 0, "a constant output compares nothing"
        np.testing.assert_allclose(w, g, atol=1e-5 * np.abs(w).max())


LAYERS = {
    "own": (LINE, lambda x: Own()(x)),
    "own of a Keras name": (LINE, lambda x: Dense(3)(x)),
    "lambda": (LINE, L.Lambda(lambda x: x * 2 + 1)),
    "rms": (LINE, lambda x: L.RMSNormalization()(x)),
    "rms option": (LINE, lambda x: L.LayerNormalization(rms_scaling=True)(x)),
    "attention of groups": (LINE, lambda x: L.GroupQueryAttention(4, 4, 2)(x, x)),
    "spectral": (IMAGE, lambda x: L.SpectralNormalization(L.Conv2D(3, 3))(x)),
    "adaptive": (IMAGE, lambda x: L.AdaptiveAveragePooling2D(3)(x)),
    "activation": (LINE, lambda x: L.Dense(3, activation=ops.abs)(x)),
    "padded resize": (IMAGE, lambda x: L.Resizing(5, 6, pad_to_aspect_ratio=True)(x)),
    "contrast": ((8, 8, 3), lambda x: L.AutoContrast()(x)),
}
OPERATIONS = {
    "split": lambda x: ops.split(x, 2, axis=-1),
    "item": lambda x: x[:, 1:-1:2, ::-1, 1],
    "pad": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [1, 0]], constant_values=2.0),
    "reflect": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], mode="reflect"),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))),
    "einsum": lambda x: ops.einsum("bijk,bijl->bkl", x, x),
    "stack": lambda x: ops.stack([x, 2 * x], axis=1),
    "max": lambda x: ops.max(x, axis=-1),
    "min": lambda x: ops.min(x, axis=(1, 2)),
    "mean": lambda x: ops.mean(x, axis=(1, 3)),
    "clip": lambda x: ops.clip(x, -0.5, 0.5),
    "root": lambda x: ops.sqrt(ops.abs(x)),
    "power": lambda x: ops.power(x, 3),
    "where": lambda x: ops.where(x > 0, x, 0.1 * x),
    "celu": lambda x: ops.celu(x, 2.0),
    "threshold": lambda x: ops.threshold(x, 0.2, 0.1),
    "several": lambda x: ops.top_k(x, 2),
    "constant": lambda x: x * np.arange(1, 5).astype("float32"),
    "inverse": lambda x: 1 / (ops.abs(x) + 1),
    "convolution": lambda x: ops.conv(x, np.ones((3, 3, 4, 2), "float32")),
    "sort": ops.sort,
}


@pytest.mark.parametrize("case", [*LAYERS, *OPERATIONS])
def test_it_does_the_same_and_is_reported(case):
    shape, make = LAYERS.get(case) or (IMAGE, OPERATIONS[case])
    x = keras.Input(shape)
    model = randomise(keras.Model(x, make(x)))
    rebuilt = to_tf_keras(model)
    batch = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    assert_same(model, rebuilt, batch)
    clone = tf_keras.models.clone_model(rebuilt)
    clone.set_weights(rebuilt.get_weights())
    assert_same(model, clone, batch)
    assert read(model).passed_through
    assert read(model).passed_through <= {layer.name for layer in rebuilt.layers}


def test_shared_layer_with_other_arguments_at_each_place():
    x = keras.Input(LINE)

    class Scaled(L.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],))

        def call(self, x, times=1):
            return x * self.scale * times

    layer = Scaled()
    model = randomise(keras.Model(x, [layer(x), layer(x, times=3)]))
    rebuilt = to_tf_keras(model)
    assert len(rebuilt.weights) == 1
    batch = np.random.default_rng(1).normal(size=(2, *LINE)).astype("float32")
    assert_same(model, rebuilt, batch)
    clone = tf_keras.models.clone_model(rebuilt)
    clone.set_weights(rebuilt.get_weights())
    assert_same(model, clone, batch)


def test_mask_reaches_it_and_what_comes_after():
    x = keras.Input(WORDS, dtype="int32")
    y = Own()(L.Embedding(5, 4, mask_zero=True)(x))
    model = randomise(keras.Model(x, L.GRU(2)(y)))
    batch = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 3, 2, 1, 2, 3, 4]])
    assert_same(model, to_tf_keras(model), batch)


def test_it_trains():
    x = keras.Input(LINE)
    rebuilt = to_tf_keras(randomise(keras.Model(x, Own()(x))))
    trainable = [np.array(weight) for weight in rebuilt.trainable_weights]
    statistics = np.array(rebuilt.non_trainable_weights[0])
    assert len(trainable) == 3
    batch = np.random.default_rng(1).normal(size=(32, *LINE)).astype("float32")
    rebuilt.compile("sgd", "mse")
    rebuilt.fit(batch, batch[..., :3], verbose=0)
    for before, after in zip(trainable, rebuilt.trainable_weights, strict=True):
        assert np.abs(before - np.array(after)).max() > 0
    assert np.abs(statistics - np.array(rebuilt.non_trainable_weights[0])).max() > 0


def test_it_exports():
    x = keras.Input(LINE)
    model = randomise(keras.Model(x, ops.max(Own()(x), axis=-1)))
    batch = np.random.default_rng(1).normal(size=(2, *LINE)).astype("float32")
    got = Interpreter(to_tflite(model)).predict(batch)
    np.testing.assert_allclose(got, model(batch, training=False), rtol=1e-4, atol=1e-4)


def test_it_is_not_pruned():
    x = keras.Input(LINE)
    graph = canonical(read(keras.Model(x, L.Dense(2)(Dense(3, name="own")(x)))))
    assert prunable(graph) == set()
    with pytest.raises(ValueError, match=r"nothing to prune.*called as they are: 'own'"):
        Prune(0.5).check(graph)
    x = keras.Input(LINE)
    alone = canonical(read(keras.Model(x, Dense(3, name="own")(x))))
    with pytest.raises(ValueError, match=r"'own' \(KerasLayer\): it has no tf_keras counterpart"):
        Quantize("int8").check(alone)


def in_the_middle(x):
    y = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = ops.pad(y[:, 1:-1], [[0, 0], [1, 1], [2, 0], [0, 0]], mode="reflect")
    y = ops.where(y > 0.1, y, 0.5 * ops.abs(y)) + np.arange(1, 5).astype("float32")
    y = L.Concatenate()(ops.split(y, 2, axis=-1))
    return L.Conv2D(4, 3)(L.Lambda(lambda y: 2 * y - 1)(y))


def called_twice(x):
    own = Dense(4)
    return L.Add()([own(own(x)), L.Conv2D(4, 3, padding="same")(x)])


def at_the_ends(x):
    y = L.Conv2D(8, 3)(ops.abs(x)[:, 1:])
    y = L.Lambda(lambda y: tf.nn.depth_to_space(y, 2))(y)
    return ops.concatenate([ops.max(y, axis=(1, 2)), ops.min(y, axis=(1, 2))], axis=-1)


@pytest.mark.parametrize("make", [in_the_middle, called_twice, at_the_ends])
def test_the_rest_of_the_network_is_trained_quantized(make):
    keras.utils.set_random_seed(0)
    x = keras.Input(IMAGE)
    y = make(x)
    model = keras.Model(x, y if make is at_the_ends else L.Dense(2)(L.Flatten()(y)))
    model.compile("adam", "mse")
    passed = read(model).passed_through
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(64, *IMAGE)).astype("float32")
    data = batch, model.predict(batch, verbose=0) + 1
    step = Quantize("int8", epochs=20, learning_rate=1e-3)
    small = compress(model, [step], train_data=data, validation_data=data)
    first, last = small.report
    how, _, named = last["method"].partition("; ranges measured after training for ")
    assert how == "quantization-aware"
    assert passed
    assert passed <= set(named.split(", "))
    assert last["value"] < 0.9 * first["value"]
    interpreter = Interpreter(small.tflite)
    assert interpreter.input_dtypes == interpreter.output_dtypes == ["int8"]
    assert not float_operators(small.tflite)


OTHER_BACKEND = """
import json
import keras, numpy as np
from kerasnas.compression import to_tf_keras
L = keras.layers
x = keras.Input((8, 8, 3))
y = L.Conv2D(4, 3, activation="hard_silu")(L.RandomFlip()(x))
y = L.Dense(3, activation="hard_sigmoid")(L.BatchNormalization()(y))
model = keras.Model(x, y)
batch = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
want = keras.ops.convert_to_numpy(model(batch, training=False))
difference = float(np.abs(want - np.array(to_tf_keras(model)(batch))).max() / np.abs(want).max())
try:
    to_tf_keras(keras.Model(x, L.RMSNormalization(name="one")(keras.ops.sort(x))))
except ValueError as reason:
    print(json.dumps([difference, str(reason)]))
"""


def test_another_backend():
    done = subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    difference, message = json.loads(done.stdout.splitlines()[-1])
    assert difference < 1e-5
    assert "'one' (RMSNormalization): no tf_keras layer" in message
    assert "use LayerNormalization, or save the model" in message
    assert "(Sort)" in message
