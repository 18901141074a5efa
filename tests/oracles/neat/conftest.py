"""A space of graphs: nodes that may be there, and connections between them."""

import keras_tuner
import pytest

from kerasnas.hypermodels.graph import GraphHyperModel


@pytest.fixture(scope="module")
def space():
    declared = keras_tuner.HyperParameters()
    GraphHyperModel((8, 8, 1), 3, learning_rate=[1e-3, 1e-2]).declare(declared)
    return declared
