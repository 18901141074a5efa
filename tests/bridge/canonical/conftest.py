"""Rewrites a model and compares it with what it was."""

import numpy as np
import pytest

from kerasnas.bridge import build, canonical, expected, read, verify


def _randomise(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        positive = "variance" in weight.path
        weight.assign(
            rng.uniform(0.5, 2, weight.shape) if positive else rng.normal(0, 0.5, weight.shape)
        )
    return model


def _rewritten(model):
    """The canonical tf_keras model, after comparing its outputs with the source's."""
    graph = canonical(read(_randomise(model)))
    legacy = build(graph)
    verify(model, expected(model, graph), legacy)
    return legacy


@pytest.fixture(scope="session")
def rewritten():
    return _rewritten
