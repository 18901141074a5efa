"""What holds for every proxy, on every backend."""

import json
import os
import random
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.oracles import proxies


def convolutional():
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Add()([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = keras.layers.ReLU(max_value=6.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def minibatch(rng, count=8):
    x = rng.normal(size=(count, 6, 6, 1)).astype("float32")
    return x, np.arange(count) % 3


SCORES = """
import json, sys
import keras, numpy as np
from kerasnas.oracles import proxies

rng = np.random.default_rng(0)
x, y = rng.normal(size=(8, 6, 6, 2)).astype("float32"), np.arange(8) % 3
inputs = keras.Input((6, 6, 2))
h = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
h = keras.layers.BatchNormalization()(h)
h = keras.layers.Add()([keras.layers.DepthwiseConv2D(3, padding="same")(h), h])
h = keras.layers.AveragePooling2D(2)(keras.layers.ReLU(max_value=6.0)(h))
h = keras.layers.GlobalAveragePooling2D()(h)
model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(h))
model.compile("sgd", "sparse_categorical_crossentropy")
model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
scores = {name: proxies.score(name, model, x, y) for name in proxies.PROXIES}
print(json.dumps({"scores": scores, "tensorflow": "tensorflow" in sys.modules}))
"""


@pytest.fixture(scope="module")
def here():
    """The scores on the backend that the tests run on."""
    program: dict = {}
    exec(SCORES, program)
    return program["scores"]


def test_params_and_macs_are_those_of_the_profile():
    model, profile = convolutional(), kn.profile(convolutional())
    assert proxies.score("params", model) == profile.params
    assert proxies.score("macs", model) == profile.macs


@pytest.mark.parametrize("proxy", proxies.PROXIES)
def test_a_score_repeats_and_leaves_everything_as_it_was(proxy, rng):
    model, (x, y) = convolutional(), minibatch(rng)
    weights = [w.copy() for w in model.get_weights()]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    first = proxies.score(proxy, model, x, y)
    assert np.isfinite(first)
    assert proxies.score(proxy, model, x, y) == first
    assert random.getstate() == python
    np.testing.assert_equal(np.random.get_state(), numpy)  # noqa: NPY002
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_bad_input(mlp):
    model = mlp(keras.layers.Dense(1))
    with pytest.raises(ValueError, match="one of params, macs, naswot, synflow, grad_norm"):
        proxies.score("snip", model)
    with pytest.raises(ValueError, match=r"'naswot' reads a minibatch of x.*Received: x=None"):
        proxies.score("naswot", model)
    with pytest.raises(ValueError, match="Received: y=None"):
        proxies.score("grad_norm", model, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"model\.compile"):
        proxies.score("grad_norm", model, np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(TypeError, match="must be a Keras 3 model"):
        proxies.score("synflow", "model")
    sizeless = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="without None"):
        proxies.score("synflow", sizeless)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_backends_agree(backend, here):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", SCORES],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["tensorflow"]
    assert found["scores"] == pytest.approx(here, rel=1e-4)
