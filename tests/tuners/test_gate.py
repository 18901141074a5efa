"""What the gate says of a proposal does not depend on what was built before."""

import keras
import keras_tuner

from kerasnas.hardware.budget import Budget
from kerasnas.tuners.gate import Gate


def test_layers_without_a_name_cost_the_same_at_every_build():
    space = keras_tuner.HyperParameters()

    def build(hp):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 99))])

    build(space)
    hypermodel = keras_tuner.HyperModel()
    hypermodel.build = build
    flash = set()
    for _ in range(2):
        # A counter in the layer's name makes the file larger.
        for _ in range(12):
            keras.layers.Dense(1)
        gate = Gate(hypermodel, lambda: space, Budget(flash="64KB"))
        flash.add(gate.profile({"units": 3}).flash_bytes)
    assert len(flash) == 1
