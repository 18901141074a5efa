"""The same model without some of its channels."""

import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.compression import prune_channels
from kerasnas.hypermodels import operations

L = keras.layers


ops = keras.ops


def test_several_inputs_and_outputs(several_ends, rng, without_dead_channels):
    shapes = [(2, 8, 8, 3), (2, 8, 8, 2)]
    inputs = [rng.normal(size=shape).astype("float32") for shape in shapes]
    pruned = without_dead_channels(several_ends, inputs)
    assert pruned.output_names == ["first", "second"]
    assert set(pruned.input) == {"a", "b"}


def drawn(random_values, space, number):
    for seed, hp in enumerate(random_values(space, number, np.random.default_rng(number))):
        model = space.build(hp)
        # Probabilities hide differences: most are 0 or 1 with random weights.
        model.layers[-1].activation = keras.activations.linear
        inputs = [np.random.default_rng(seed).normal(size=(2, 16, 16, 3)).astype("float32")]
        yield seed, model, inputs


def test_networks_of_the_layerwise_space(random_values, without_dead_channels):
    images = [n for n in operations.names() if n not in ("zero", "flatten", "dense")]
    space = kn.LayerwiseHyperModel((16, 16, 3), 10, stages=[(4, 8), (6, 12)], operations=images)
    for seed, model, inputs in drawn(random_values, space, 6):
        without_dead_channels(model, inputs, seed)


def test_cell_networks(random_values, without_dead_channels):
    space = kn.CellHyperModel((16, 16, 3), 10, filters=4)
    for seed, model, inputs in drawn(random_values, space, 3):
        without_dead_channels(model, inputs, seed)


def test_normalization_keeps_its_statistics(rng):
    data = rng.normal(3, 2, (64, 8, 8, 3)).astype("float32")
    normalization = L.Normalization()
    normalization.adapt(data)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), normalization, L.Conv2D(8, 3), L.Conv2D(2, 1)]
    )
    kernel = ops.convert_to_numpy(model.layers[1].kernel).copy()
    kernel[..., 4:] = 0
    model.layers[1].kernel.assign(kernel)
    pruned = prune_channels(model, 0.5)
    assert pruned.get_layer(model.layers[1].name).filters == 4
    want, got = model.predict(data, verbose=0), pruned.predict(data, verbose=0)
    np.testing.assert_allclose(want, got, rtol=1e-5, atol=1e-6)


def test_compiled_alike(compiled):
    model = compiled()
    pruned = prune_channels(model)
    assert pruned.loss is model.loss
    assert isinstance(pruned.optimizer, keras.optimizers.SGD)
    assert pruned.optimizer is not model.optimizer
    assert float(pruned.optimizer.learning_rate) == pytest.approx(0.3)
    logs = pruned.evaluate(np.zeros((2, 8, 8, 3)), np.zeros(2), verbose=0, return_dict=True)
    assert set(logs) == {"loss", "accuracy"}
