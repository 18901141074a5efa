"""Which channels go."""

import keras
import pytest

import kerasnas as kn
from kerasnas.compression import prune_channels

L = keras.layers


ops = keras.ops


def test_each_layer_keeps_its_share_while_that_is_enough(compiled):
    model = compiled()
    for layer in model.layers:  # One layer looks useless.
        if isinstance(layer, L.BatchNormalization):
            layer.gamma.assign(ops.ones_like(layer.gamma) * (layer.gamma.shape[0] != 6))
    pruned = prune_channels(model, 0.5)
    convolutions = [layer for layer in model.layers if isinstance(layer, L.Conv2D)]
    assert convolutions
    for layer in convolutions:
        assert pruned.get_layer(layer.name).filters >= 0.5 * layer.filters
    assert kn.profile(pruned).macs <= 0.5 * kn.profile(model).macs


def test_no_layer_loses_all_its_channels(compiled):
    model = compiled()
    for layer in model.layers:
        if isinstance(layer, L.Conv2D):
            layer.kernel.assign(ops.zeros_like(layer.kernel) + (layer.filters == 6))
    pruned = prune_channels(model, 0.1)
    assert min(layer.output.shape[-1] for layer in pruned.layers[1:]) >= 1


def test_share_that_cannot_be_reached(compiled):
    with pytest.raises(ValueError, match=r"`keep` must be at least 0\.\d+ for the model 'net'"):
        prune_channels(compiled(), 0.001)
