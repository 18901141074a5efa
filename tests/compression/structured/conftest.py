"""Prunes channels that do nothing, and compares the model with what it was."""

import keras
import numpy as np
import pytest

from kerasnas.compression.structured.rebuild import rebuild
from kerasnas.compression.structured.trace import trace

ops = keras.ops


def _randomise(model, seed=0):
    """Every weight random, BatchNormalization's statistics too: fresh ones hide differences."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(0, 0.3, weight.shape)
        if "variance" in weight.path:
            values = rng.uniform(0.5, 2, weight.shape)
        weight.assign(values)
    return model


def _predict(model, inputs):
    one = isinstance(model, keras.Sequential)
    given = inputs[0] if one else keras.tree.pack_sequence_as(model.input, inputs)
    outputs = keras.tree.flatten(model(given, training=False))
    return [ops.convert_to_numpy(y) for y in outputs]


def _assert_same(model, pruned, inputs):
    for want, got in zip(_predict(model, inputs), _predict(pruned, inputs), strict=True):
        assert want.std() > 0, "a constant output compares nothing"
        assert np.abs(want - got).max() <= 1e-5 * np.abs(want).max()


def _without_dead_channels(model, inputs, seed=0, share=0.5):
    """Zeroes every weight of some sets of channels, removes these sets, and compares outputs.

    A weight that the sets assign to the wrong channel would be zeroed at a place that still counts.
    """
    _randomise(model, seed)
    traced = trace(model)
    rng = np.random.default_rng(seed)
    gone = np.zeros(traced.labels, bool)
    gone[rng.choice(traced.removable, max(1, int(share * len(traced.removable))), False)] = True
    for weight in traced.weights.values():
        labels = weight.filter_labels
        # Nothing would be left of a layer whose channels are all among the dead.
        gone[labels[:1]] = False
    for weight in traced.weights.values():
        values = weight.values.copy()
        for axis, labels in enumerate(weight.axes.labels):
            if labels is not None:
                np.moveaxis(values, axis, 0)[gone[labels]] = 0
        getattr(weight.layer, weight.attribute).assign(values)
    pruned = rebuild(traced, gone)
    assert pruned.count_params() < model.count_params()
    _assert_same(model, pruned, inputs)
    return pruned


@pytest.fixture(scope="session")
def without_dead_channels():
    return _without_dead_channels
