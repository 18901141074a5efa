"""What the gate says of a proposal does not depend on what was built before."""

import keras
import keras_tuner
import pytest

from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels import HyperModel
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


class Plain(keras_tuner.HyperModel):
    def build(self, hp):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 9))])

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch", [8, 16]), **kwargs)


class Own(HyperModel):
    def body(self, hp, x):
        return self.choose(hp, "units", ["dense"], filters=[1, 2])(x)

    fit = Plain.fit


@pytest.mark.parametrize(
    ("hypermodel", "values"), [(Plain(), {"units": 2}), (Own((4,), 1), {"units/filters": 2})]
)
def test_what_only_a_fit_reads_tells_two_proposals_apart(hypermodel, values):
    space = keras_tuner.HyperParameters()
    hypermodel.build(space)
    space.Choice("batch", [8, 16])
    gate = Gate(hypermodel, lambda: space)
    keys = [gate.key({**values, "batch": batch}) for batch in (8, 16, 8)]
    assert keys[0] == keys[2] != keys[1]
