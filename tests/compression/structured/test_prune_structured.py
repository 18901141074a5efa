"""Structured pruning as a step, and as a function."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.bridge import read
from kerasnas.compression import PruneStructured, prune_channels, to_tf_keras
from kerasnas.compression.training import Training

L = keras.layers


ops = keras.ops


def training(model, x, y, seed):
    return Training(model, read(model), x, y, None, None, seed)


@pytest.mark.parametrize("network", ["residual", "dense blocks", "flattened"])
@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_macs_flash_and_ram_fall(compiled, network, keep):
    model = compiled(network)
    before = [w.copy() for w in model.get_weights()]
    cost, pruned = kn.profile(model), prune_channels(model, keep)
    after = kn.profile(pruned)
    # One channel of these small networks is up to 9 % of the multiply-accumulates.
    assert keep - 0.09 < after.macs / cost.macs <= keep
    assert after.flash_bytes < cost.flash_bytes
    assert after.ram_bytes < cost.ram_bytes
    assert [layer.name for layer in pruned.layers] == [layer.name for layer in model.layers]
    assert pruned.output_shape == model.output_shape
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def chain(scales=True):
    """Channels that weights and scales rank the other way round."""
    x = keras.Input((4, 4, 1))
    y = L.Conv2D(4, 1, use_bias=False, name="conv")(x)
    y = L.BatchNormalization(name="norm")(y) if scales else y
    model = keras.Model(x, L.Conv2D(1, 1, name="last")(y))
    model.get_layer("conv").kernel.assign(np.reshape([4.0, 1.0, -2.0, 3.0], (1, 1, 1, 4)))
    if scales:
        model.get_layer("norm").gamma.assign([1.0, -4.0, 3.0, 2.0])
    return model


@pytest.mark.parametrize(
    ("criterion", "scales", "left"),
    [
        ("l1", True, [4, 3]),
        ("batch_norm", True, [1, -2]),
        ("batch_norm", False, [4, 3]),
    ],
)
def test_criterion(criterion, scales, left):
    kernel = prune_channels(chain(scales), 0.5, criterion).get_layer("conv").kernel
    assert ops.convert_to_numpy(kernel).ravel().tolist() == left


def test_embedding_keeps_its_largest():
    x = keras.Input((5,), dtype="int32")
    y = L.Conv1D(4, 3)(L.Embedding(7, 20, name="embedding")(x))
    model = keras.Model(x, L.Dense(1)(L.Flatten()(y)))
    model.get_layer("embedding").embeddings.assign(np.ones((7, 1)) * np.arange(1, 21))
    table = ops.convert_to_numpy(prune_channels(model, 0.2).get_layer("embedding").embeddings)
    assert table[0].tolist() == list(range(21 - table.shape[1], 21))
    assert 2 <= table.shape[1] < 20


def test_reaches_the_share_and_trains(compiled, rng):
    model = compiled("flattened")
    x = rng.normal(size=(96, 8, 8, 3)).astype("float32")
    y = (x.mean((1, 2, 3)) > 0).astype("int32")
    model.fit(x, y, epochs=8, verbose=0)
    before = [w.copy() for w in model.get_weights()]
    step = PruneStructured(keep=0.4, epochs=7, batch_size=16, learning_rate=0.01)
    step.check(model)
    pruned = step.apply_to_keras(model, training(model, [x], y, 1))
    assert 0.32 < kn.profile(pruned).macs / kn.profile(model).macs <= 0.4
    untrained = prune_channels(model, 0.4)
    # On the data it was trained on: whether training took place at all.
    assert pruned.evaluate(x, y, verbose=0)[0] < 0.8 * untrained.evaluate(x, y, verbose=0)[0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_same_seed_gives_the_same_weights(rng):
    x = keras.Input((6,))
    model = keras.Model(x, L.Dense(1)(L.Dropout(0.3)(L.Dense(8, "relu")(x))))
    model.compile("adam", "mse")
    data, target = rng.normal(size=(64, 6)), rng.normal(size=(64, 1))
    step = PruneStructured(epochs=1, batch_size=16)
    one, again, other = (
        step.apply_to_keras(model, training(model, [data], target, seed)) for seed in (1, 1, 2)
    )
    kernels = [ops.convert_to_numpy(m.layers[1].kernel) for m in (one, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_fine_tunes_dicts(several_ends, rng):
    model = several_ends
    model.compile("adam", {"first": "mse", "second": "mse"}, loss_weights={"first": 2, "second": 1})
    x = [rng.normal(size=(8, 8, 8, 3)), rng.normal(size=(8, 8, 8, 2))]
    y = [rng.normal(size=(8, 3)), rng.normal(size=(8, 6, 6, 2))]
    pruned = PruneStructured(0.6, epochs=1).apply_to_keras(model, training(model, x, y, 0))
    assert kn.profile(pruned).macs <= 0.6 * kn.profile(model).macs
    assert set(pruned.predict({"a": x[0], "b": x[1]}, verbose=0)) == {"first", "second"}


def test_pruned_model_crosses_the_bridge(compiled):
    assert to_tf_keras(prune_channels(compiled(), 0.5)).name == "net"


@pytest.mark.parametrize("keep", [0, 1, -0.5, 1.5, float("nan"), "half", None, True])
def test_share_out_of_range(compiled, keep):
    with pytest.raises(ValueError, match=r"above 0 and below 1. Received: keep="):
        prune_channels(compiled(), keep)
    with pytest.raises(ValueError, match=r"`PruneStructured\(keep=...\)` must be"):
        PruneStructured(keep)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"criterion": "l2"}, "Received: criterion='l2'"),
        ({"epochs": 0}, "an int of at least 1. Received: epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
    ],
)
def test_wrong_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        PruneStructured(**arguments)


BACKEND = """
import json
import keras
import numpy as np
import kerasnas as kn
from kerasnas.compression import prune_channels

L = keras.layers
x = keras.Input((8, 8, 1))
y = L.BatchNormalization(name="norm")(L.Conv2D(8, 3, padding="same", name="conv")(x))
y = L.Add()([y, L.SeparableConv2D(8, 3, padding="same", name="separable")(y)])
model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
model.compile("adam", "mse")
for layer, name in (("conv", "kernel"), ("separable", "pointwise_kernel")):
    weight = getattr(model.get_layer(layer), name)
    weight.assign(weight * np.array([0, 1, 1, 0, 0, 1, 0, 1]))
pruned = prune_channels(model, 0.45, "l1")
data = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
outputs = [keras.ops.convert_to_numpy(m(data)) for m in (model, pruned)]
print(json.dumps({
    "backend": keras.backend.backend(),
    "difference": float(abs(outputs[0] - outputs[1]).max()),
    "largest": float(abs(outputs[0]).max()),
    "share": kn.profile(pruned).macs / kn.profile(model).macs,
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; `make test-backends` installs it")
    done = subprocess.run(
        [sys.executable, "-c", BACKEND],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == backend
    assert found["share"] <= 0.45
    assert found["difference"] <= 1e-5 * found["largest"]
