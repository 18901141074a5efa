"""How many zeros each layer bears."""

import keras

from kerasnas.compression.sensitivity import bearable, sensitivity
from kerasnas.data.dataset import dataset

L = keras.layers


def test_zeros_cost_more_the_more_there_are(small_model, small_data):
    measured = sensitivity(
        small_model, dataset("validation_data", small_data, small_model), (0.0, 0.5, 1.0)
    )
    assert list(measured) == ["second", "third"]
    for costs in measured.values():
        assert costs[0.0] == 0
        assert costs[1.0] > 0.1
    assert set(bearable(measured, 0.01).values()) <= {0.0, 0.5}
    assert set(bearable(measured, 1).values()) == {1.0}
    assert set(bearable(measured, -1).values()) == {0.0}
