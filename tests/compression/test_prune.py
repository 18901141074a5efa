import keras
import numpy as np
import pytest

from kerasnas.compression import Prune
from kerasnas.compression.bridge import build, canonical, read
from kerasnas.compression.prune import model_sparsity, prunable
from kerasnas.compression.training import Training

L = keras.layers


def network():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 4))
    y = L.Conv2D(8, 3, name="conv")(x)
    y = L.DepthwiseConv2D(3, name="depthwise")(y)
    y = L.SeparableConv2D(8, 3, padding="same", name="separable")(y)
    y = L.BatchNormalization(name="norm")(L.Conv2DTranspose(8, 3, name="transposed")(y))
    y = L.Flatten()(y)
    outputs = [L.Dense(3, name="one")(y), L.Dense(2, name="two")(L.Dense(8, name="dense")(y))]
    return keras.Model(x, outputs)


def test_last_layers_and_depthwise_kernels_stay_whole():
    assert prunable(read(network())) == {"conv", "separable", "transposed", "dense"}


def test_shared_layer_that_is_also_last_stays_whole():
    x = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    model = keras.Model(x, [shared(x), L.Dense(2)(shared(L.Dense(4, name="first")(x)))])
    assert prunable(read(model)) == {"first"}


@pytest.mark.parametrize("samples", [8, 1000])
@pytest.mark.parametrize("schedule", ["polynomial", "constant"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.8])
def test_each_kernel_reaches_the_sparsity(samples, schedule, sparsity):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            L.SeparableConv2D(10, 3, name="a"),
            L.Flatten(),
            L.Dense(20, name="b"),
            L.Dense(1, name="c"),
        ]
    )
    graph = read(model)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, 4, 4, 3)), rng.normal(size=(samples, 1))
    step = Prune(sparsity, epochs=1, schedule=schedule)
    pruned = step.apply(build(graph), Training(graph, [x], y, "mse", None, 0))
    assert [type(layer).__name__ for layer in pruned.layers[1:]] == [
        "SeparableConv2D",
        "Flatten",
        "Dense",
        "Dense",
    ]
    for name in ("a", "b"):
        assert model_sparsity(pruned, {name}) == pytest.approx(sparsity, abs=0.04)
    assert model_sparsity(pruned, {"c"}) == 0


def test_shared_layers_are_pruned():
    x = keras.Input((8,))
    shared = L.Dense(8, name="shared")
    model = keras.Model(x, L.Dense(1)(shared(shared(x))))
    graph = canonical(read(model))
    rng = np.random.default_rng(0)
    training = Training(graph, [rng.normal(size=(64, 8))], rng.normal(size=(64, 1)), "mse", None, 0)
    pruned = Prune(0.5, epochs=4).apply(build(graph), training)
    assert model_sparsity(pruned, {"shared"}) == pytest.approx(0.5)


@pytest.mark.parametrize("sparsity", [-0.1, 1, 1.0, 2, float("nan"), "0.5", None, True])
def test_sparsity_out_of_range(sparsity):
    with pytest.raises(ValueError, match=r"at least 0 and below 1. Received: sparsity="):
        Prune(sparsity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "an int of at least 1. Received: epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
        ({"schedule": "linear"}, "schedule='linear'"),
    ],
)
def test_wrong_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        Prune(**arguments)
