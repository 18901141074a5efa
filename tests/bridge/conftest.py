"""Random weights for models, and the comparison of a model with its rebuild."""

import keras
import numpy as np
import pytest

ops = keras.ops


def _randomise(model, seed=0):
    """Every weight random, BatchNormalization's statistics too: fresh ones hide differences."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(0, 0.5, weight.shape)
        if "variance" in weight.path or "var" in weight.name:
            values = rng.uniform(0.5, 2.0, weight.shape)
        weight.assign(values.astype("float32") if "float" in str(weight.dtype) else values)
    return model


def _assert_same(model, rebuilt, inputs):
    want = [ops.convert_to_numpy(y) for y in keras.tree.flatten(model(inputs, training=False))]
    got = rebuilt(keras.tree.flatten(inputs) if isinstance(inputs, list | dict) else inputs)
    got = got if isinstance(got, list | tuple) else [got]
    assert len(want) == len(got)
    for w, g in zip(want, got, strict=True):
        assert w.std() > 0, "a constant output compares nothing"
        assert np.abs(w - np.asarray(g)).max() <= 1e-5 * np.abs(w).max()


@pytest.fixture(scope="session")
def randomise():
    return _randomise


@pytest.fixture(scope="session")
def assert_same():
    return _assert_same
