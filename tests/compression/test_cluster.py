import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.bridge import build, canonical, read
from kerasnas.compression.training import Training
from kerasnas.tflite.reader import read_tflite

L = keras.layers


def compiled():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.Conv2D(6, 3, name="first"),
            L.Conv2D(8, 3, name="conv", activation="relu"),
            L.Flatten(),
            L.Dense(12, name="dense", activation="relu"),
            L.Dense(2, name="last"),
        ]
    )
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("initialization", ["kmeans++", "density", "linear"])
def test_kernels_between_first_and_last_share_values(initialization, rng):
    model = compiled()
    graph = read(model)
    x, y = rng.normal(size=(64, 6, 6, 2)), rng.normal(size=(64, 2))
    training = Training(model, graph, [x], y, "mse", None, 0)
    step = kn.Cluster(8, epochs=1, initialization=initialization)
    step.check(graph)
    clustered = step.apply(build(graph), training)
    distinct = {
        layer.name: len(np.unique(layer.get_weights()[0])) if layer.weights else 0
        for layer in clustered.layers[1:]
    }
    assert 2 <= distinct["conv"] <= 8
    assert 2 <= distinct["dense"] <= 8
    assert distinct["first"] == 6 * 2 * 9
    assert distinct["last"] == 24
    assert training.clustered == {"conv", "dense"}


def test_zeros_and_shared_values_survive_to_the_file(rng):
    x = rng.normal(size=(128, 6, 6, 2)).astype("float32")
    data = (x, np.stack([x.mean((1, 2, 3)), x.max((1, 2, 3))], axis=1))
    recipe = [
        kn.Prune(0.5, epochs=2),
        kn.Cluster(5, epochs=2),
        kn.Quantize("int8", epochs=2, learning_rate=1e-3),
    ]
    small = kn.compress(compiled(), recipe, train_data=data, validation_data=data)
    assert [record["step"] for record in small.report[1:]] == ["prune", "cluster", "quantize int8"]
    for record in small.report[1:]:
        assert record["sparsity"] == pytest.approx(0.5, abs=0.02), record["step"]
    graph = read_tflite(small.tflite)[0]
    kernels = [graph.tensors[op.inputs[1]] for op in graph.operators if len(op.inputs) == 3]
    conv = kernels[1].data.view("int8").reshape(kernels[1].shape)
    # Scales are one a channel, so that each channel has the five values in its own units.
    assert max(len(np.unique(channel)) for channel in conv) <= 5


def test_shared_values_are_trained_on_quantized(rng):
    model = compiled()
    graph = canonical(read(model))
    kernel = rng.choice([-0.5, 0.0, 0.25, 0.75], size=(3, 3, 6, 8)).astype("float32")
    next(node for node in graph.nodes if node.layer.name == "conv").layer.weights[0] = kernel
    x, y = rng.normal(size=(64, 6, 6, 2)), rng.normal(size=(64, 2))
    training = Training(model, graph, [x], y, "mse", None, 0, clustered={"conv"})
    step = kn.Quantize("int8", epochs=2, learning_rate=1e-2)
    layer = step.apply(build(graph), training).get_layer("quant_conv")
    quantized = next(w for w in layer.weights if w.name.endswith("kernel:0")).numpy()
    for value in np.unique(kernel):
        (shared,) = np.unique(quantized[kernel == value])
        assert (shared == value) == (value == 0)


def test_fewer_values_than_clusters_stay_as_they_are(rng):
    model = compiled()
    graph = read(model)
    few = np.zeros((3, 3, 6, 8), "float32")
    few[0, 0, :3, 0] = [0.5, -0.5, 0.25]
    next(node for node in graph.nodes if node.layer.name == "conv").layer.weights[0] = few
    x, y = rng.normal(size=(16, 6, 6, 2)), rng.normal(size=(16, 2))
    training = Training(model, graph, [x], y, "mse", None, 0)
    clustered = kn.Cluster(8, epochs=1).apply(build(graph), training)
    assert len(np.unique(clustered.get_layer("conv").get_weights()[0])) >= 4
    assert len(np.unique(clustered.get_layer("dense").get_weights()[0])) <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clusters": 1}, "at least 2. Received: clusters=1"),
        ({"clusters": 2.5}, "clusters=2.5"),
        ({"epochs": 0}, "epochs=0"),
        ({"initialization": "random"}, "initialization='random'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kn.Cluster(**arguments)


def test_nothing_to_cluster():
    with pytest.raises(ValueError, match="no kernel of more than 9999 weights"):
        kn.Cluster(9999).check(read(compiled()))


def test_zeros_of_layers_that_are_not_clustered_stay(rng):
    model = keras.Sequential(
        [keras.Input((8,)), *(L.Dense(8, activation="relu", name=name) for name in "abc")]
    )
    model.compile("adam", "mse")
    data = rng.normal(size=(64, 8)), rng.normal(size=(64, 8))
    steps = [kn.Prune(layers={"*": 0.75}, epochs=2), kn.Cluster(4, epochs=3)]
    small = kn.compress(model, steps, train_data=data, validation_data=data)
    assert [record["sparsity"] for record in small.report[1:]] == pytest.approx([0.75] * 2)
