"""Every operation of the spaces trains on batches of any size, in a process that may end."""

import subprocess
import sys

import pytest

# Gradients in float32 are compared with those in float64, which TensorFlow leaves to other kernels.
CHILD = """
import sys
import keras, keras_tuner, numpy as np, tensorflow as tf
import kerasnas as kn
from kerasnas.hypermodels import operations

shape = [int(size) for size in sys.argv[1:]]
flat = len(shape) == 2


class Space(kn.HyperModel):
    def __init__(self, code, skip):
        super().__init__(shape, 3)
        self.code, self.skip = code, skip

    def stem(self, hp, x):
        return x

    def body(self, hp, x):
        return self.choose(hp, "block", [self.code], filters=8, strides=2, skip=self.skip)(x)


def build(code, skip, dtype):
    keras.config.set_dtype_policy(dtype)
    return Space(code, skip).build(keras_tuner.HyperParameters())


def gradients(model, x):
    with tf.GradientTape() as tape:
        outputs = model(tf.constant(x, model.compute_dtype), training=True)
        loss = tf.reduce_sum(outputs * tf.range(3, dtype=outputs.dtype))
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return [np.array(gradient) for gradient in found]


for code in sorted(set(operations.names()) - {"zero", "dropout"}):
    skip = "add" if "skip" in operations.parse(code)[0].decisions else "none"
    exact, model = build(code, skip, "float64"), build(code, skip, "float32")
    model.set_weights(exact.get_weights())
    for batch in (1, 7, 63):
        print(code, skip, batch, flush=True)
        x = np.random.default_rng(0).normal(size=(batch, *shape))
        right = gradients(exact, x)
        # In float32 a few activations fall on the other side of a ReLU.
        far = max(np.abs(gradient).max() for gradient in right)
        for _ in range(3):
            for a, b in zip(gradients(model, x), right):
                assert np.abs(a - b).max() <= 0.01 * far, (code, batch, np.abs(a - b).max(), far)
print("all right")
"""


@pytest.mark.parametrize("shape", [(64, 6), (48, 48, 8)])
def test_every_operation_survives_last_batches_of_1_and_7_and_63(shape):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, shape)],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, f"at {done.stdout[-100:]}: {done.stderr[-2000:]}"
    assert "all right" in done.stdout
