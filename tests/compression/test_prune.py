import keras
import numpy as np
import pytest

from kerasnas.bridge import build, canonical, read
from kerasnas.compression import Prune, compress
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


def test_first_and_last_layers_and_depthwise_kernels_stay_whole():
    assert prunable(read(network())) == {"separable", "transposed", "dense"}


def test_shared_layer_that_is_also_last_stays_whole():
    x = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    y = L.Dense(4, name="second")(L.Dense(4, name="first")(x))
    model = keras.Model(x, [shared(x), L.Dense(2)(shared(y))])
    assert prunable(read(model)) == {"second"}


@pytest.mark.parametrize("samples", [8, 1000])
@pytest.mark.parametrize("schedule", ["polynomial", "constant"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.8])
def test_each_kernel_reaches_the_sparsity(samples, schedule, sparsity):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            L.Conv2D(3, 1, name="first"),
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
    pruned = step.apply(build(graph), Training(model, graph, [x], y, "mse", None, 0))
    assert [type(layer).__name__ for layer in pruned.layers[1:]] == [
        "Conv2D",
        "SeparableConv2D",
        "Flatten",
        "Dense",
        "Dense",
    ]
    for name in ("a", "b"):
        assert model_sparsity(pruned, {name}) == pytest.approx(sparsity, abs=0.04)
    assert model_sparsity(pruned, {"first", "c"}) == 0


def test_shared_layers_are_pruned():
    x = keras.Input((8,))
    shared = L.Dense(8, name="shared")
    model = keras.Model(x, L.Dense(1)(shared(shared(L.Dense(8)(x)))))
    graph = canonical(read(model))
    rng = np.random.default_rng(0)
    training = Training(
        model, graph, [rng.normal(size=(64, 8))], rng.normal(size=(64, 1)), "mse", None, 0
    )
    pruned = Prune(0.5, epochs=4).apply(build(graph), training)
    assert model_sparsity(pruned, {"shared"}) == pytest.approx(0.5)


def dense(rng):
    keras.utils.set_random_seed(0)
    sizes = {"first": 16, "second": 16, "third": 8, "last": 1}
    model = keras.Sequential(
        [keras.Input((8,)), *(L.Dense(size, name=name) for name, size in sizes.items())]
    )
    x, y = rng.normal(size=(64, 8)), rng.normal(size=(64, 1))
    graph = read(model)
    return build(graph), Training(model, graph, [x], y, "mse", None, 0)


def test_layers_may_have_a_sparsity_of_their_own(rng):
    legacy, training = dense(rng)
    step = Prune(0.5, epochs=2, layers={"third": 0, "f*": 0.25, "first": 0.75})
    step.check(training.graph)
    pruned = step.apply(legacy, training)
    for name, sparsity in {"first": 0.25, "second": 0.5, "third": 0, "last": 0}.items():
        assert model_sparsity(pruned, {name}) == pytest.approx(sparsity), name


def test_zeros_in_a_pattern(rng):
    legacy, training = dense(rng)
    pruned = Prune(pattern=(2, 4), epochs=2).apply(legacy, training)
    kernel = pruned.get_layer("second").get_weights()[0]
    assert ((kernel.T.reshape(-1, 4) == 0).sum(axis=1) == 2).all()


def test_a_rule_goes_before_the_pattern(rng):
    legacy, training = dense(rng)
    pruned = Prune(0, pattern=(2, 4), layers={"third": 0.25}, epochs=2).apply(legacy, training)
    shares = {"second": 0.5, "third": 0.25}
    for name, share in shares.items():
        assert model_sparsity(pruned, {name}) == pytest.approx(share), name


def test_a_pattern_of_one_dimensional_kernels_says_what_to_do():
    x = keras.Input((8, 2))
    y = L.Conv1D(4, 3, name="b")(L.Conv1D(4, 3, name="a")(x))
    graph = read(keras.Model(x, L.Conv1D(2, 1, name="c")(y)))
    with pytest.raises(ValueError, match=r"Quantize\('int8'\) only.*Received: b"):
        Prune(pattern=(2, 4)).check(graph)
    Prune(pattern=(2, 4)).check(canonical(graph))


@pytest.mark.parametrize("pattern", [(4, 2), (0, 4), (2,), 0.5, (2.0, 4)])
def test_a_pattern_that_is_none(pattern):
    with pytest.raises(ValueError, match=r"0 < m < n. Received: pattern="):
        Prune(pattern=pattern)


def test_rules_for_layers_that_are_not_there(rng):
    graph = dense(rng)[1].graph
    with pytest.raises(ValueError, match=r"first, second, third, last. Received: 'conv'"):
        Prune(layers={"conv": 0.5}).check(graph)
    with pytest.raises(ValueError, match=r"layers\['first'\]"):
        Prune(layers={"first": 1.5})


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


def test_frozen_layers_stay_whole_unless_named():
    layers = [L.Dense(8, name=name) for name in ("a", "frozen", "b", "c")]
    layers[1].trainable = False
    graph = read(keras.Sequential([keras.Input((8,)), *layers]))
    assert prunable(graph) == {"b"}
    Prune(layers={"frozen": 0.5}).check(graph)


def test_zeros_of_first_and_last_layers_are_reported(rng):
    model = keras.Sequential(
        [keras.Input((8,)), *(L.Dense(8, activation="relu", name=n) for n in "abc")]
    )
    model.compile("adam", "mse")
    data = rng.normal(size=(64, 8)), rng.normal(size=(64, 8))
    step = Prune(0, layers={"[ac]": 0.75}, epochs=2)
    small = compress(model, [step], train_data=data, validation_data=data)
    assert small.report[-1]["sparsity"] == pytest.approx(0.5, abs=0.02)
