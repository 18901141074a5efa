"""Gradients of strided 1×1 convolutions: equal to others' and survived, whoever asks for them."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe

# The child trains on odd batches: the process ends where a gradient is TensorFlow's own.
HEAD = """
import sys, warnings
import keras, numpy as np, tensorflow as tf
from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe
make_pointwise_gradients_safe()
make_pointwise_gradients_safe()  # A second call changes nothing.

def train(model, shape, eagerly=True):
    model.compile("sgd", "mse", run_eagerly=eagerly)
    for batch in (63, 1):
        x = np.ones((batch, *shape), "float32")
        model.fit(x, np.zeros_like(np.array(model(x))), batch, epochs=2, verbose=0)
"""
TRAINED = {
    "layers": """
for rank, shape in ((1, (64, 6)), (2, (48, 48, 8)), (3, (8, 8, 8, 4))):
    for kind in ("Conv", "Transpose"):
        name = f"Conv{rank}D" + kind.removeprefix("Conv")
        train(keras.Sequential([getattr(keras.layers, name)(4, 1, 2)]), shape)
""",
    "tf_keras": """
import tf_keras
layers = [tf_keras.layers.Conv2D(8, 1, 2), tf_keras.layers.Conv2DTranspose(4, 1, 2)]
train(tf_keras.Sequential(layers), (48, 48, 8))
""",
    "inside": """
class Own(keras.layers.Layer):
    def build(self, shape):
        self.inner = keras.layers.Conv2D(8, 1, 2)
        self.kernel = self.add_weight(shape=(1, 1, 8, 8))
        self.wide = self.add_weight(shape=(1, 1, 8, 8))
    def call(self, x):
        x = keras.ops.conv(self.inner(x), self.kernel, 2)
        return tf.nn.conv2d(x, self.wide, 3, [[0, 0], [1, 2], [2, 1], [0, 0]])

class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.own = Own()
    def call(self, x):
        return self.own(x)

train(Model(), (48, 48, 8), eagerly=False)
""",
}


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HEAD + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_odd_batches_are_trained():
    done = run(
        "".join(f"{code}\nprint('{kind} live', flush=True)\n" for kind, code in TRAINED.items())
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "can end the process, or be wrong, where a batch is odd" in done.stderr


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rank=st.integers(2, 3),
    strides=st.tuples(*[st.integers(1, 4)] * 3).filter(lambda all_: max(all_[:2]) > 1),
    sizes=st.tuples(*[st.integers(4, 9)] * 3),
    channels=st.integers(1, 17),
    padding=st.sampled_from(["SAME", "VALID", "EXPLICIT"]),
    transposed=st.booleans(),
    graph=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:TensorFlow's gradient of")
def test_the_gradients_are_equal(rank, strides, sizes, channels, padding, transposed, graph):
    make_pointwise_gradients_safe()
    rng = np.random.default_rng(0)
    steps = (1, *strides[:rank], 1)
    pads = [[0, 0]] * (rank + 2)
    if padding == "EXPLICIT" and rank == 2 and not transposed:
        padding = pads = [[0, 0], [1, 2], [0, 3], [0, 0]]
    elif padding == "EXPLICIT":
        padding = "SAME"
    large = rng.normal(size=(2, *sizes[:rank], channels))
    picked = np.pad(large, pads)[tuple(slice(None, None, step) for step in steps)]
    small = rng.normal(size=(*picked.shape[:-1], 6))
    kernel = tf.constant(rng.normal(size=(*[1] * rank, channels, 6)), tf.float32)

    def gradient(kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            if transposed:
                call = getattr(tf.nn, f"conv{rank}d_transpose")
                total = tf.reduce_sum(call(fed[1], kernel, large.shape, steps, padding) * fed[0])
            else:
                call = getattr(tf.nn, f"conv{rank}d")
                total = tf.reduce_sum(call(fed[0], kernel, steps, padding) * fed[1])
        return tape.gradient(total, kernel)

    fed = [tf.constant(one, tf.float32) for one in (large, small)]
    found = (tf.function(gradient) if graph else gradient)(kernel)
    expected = picked.reshape(-1, channels).T @ small.reshape(-1, 6)
    np.testing.assert_allclose(np.reshape(found, (channels, 6)), expected, rtol=1e-3, atol=1e-3)


def test_the_warning_names_the_layer_and_others_are_left_alone():
    done = run("""
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    layers = [keras.layers.Conv2D(16, 1), keras.layers.Conv2D(8, 3, 2),
              keras.layers.DepthwiseConv2D(1, 2), keras.layers.MaxPooling2D(1, 2)]
    train(keras.Sequential(layers), (24, 24, 4), eagerly=False)
    wide = keras.Sequential([keras.layers.Conv2D(8, 1, 2)])
    train(wide, (24, 24, 16), eagerly=False)
    assert not [one for one in caught if "oneDNN" in str(one.message)]
    narrow = keras.layers.Conv2D(8, 1, 2, name="short_cut")
    train(keras.Sequential([narrow]), (24, 24, 4), eagerly=False)
    told = [str(one.message) for one in caught if "oneDNN" in str(one.message)]
    assert told and "short_cut" in told[0], told
""")
    assert done.returncode == 0, done.stderr[-2000:]
