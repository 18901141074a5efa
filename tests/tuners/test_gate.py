"""What the gate says of a proposal does not depend on what was built before."""

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels import HyperModel
from kerasnas.tuners import Tuner
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


class Wide(keras_tuner.HyperModel):
    def build(self, hp):
        units = hp.Int("units", 1, 10**4, sampling="log")
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model


class Recurrent(Wide):
    def build(self, hp):
        model = keras.Sequential(
            [keras.Input((3, 2)), keras.layers.GRU(hp.Int("units", 1, 9)), keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse", run_eagerly=True)
        return model


class Subclassed(Wide):
    def build(self, hp):
        class Net(keras.Model):
            def __init__(self):
                super().__init__()
                self.first = keras.layers.Dense(hp.Int("units", 1, 9))
                self.last = keras.layers.Dense(1)

            def call(self, x):
                return self.last(keras.ops.mean(self.first(x), axis=1))

        model = Net()
        model.compile("sgd", "mse", run_eagerly=True)
        return model


def test_weights_of_a_space_are_counted_without_a_build():
    class Sketched(HyperModel):
        def body(self, hp, x):
            # No machine has the memory to build the second.
            return self.choose(hp, "units", ["dense"], filters=[4, 10**12])(x)

    gate = Gate(Sketched((8,), 1), keras_tuner.HyperParameters, max_params=10**6)
    assert gate.violations({"units/filters": 10**12})["params"].limit == 10**6
    assert gate.violations({"units/filters": 4}) == {}


@pytest.mark.parametrize("limit", [{"max_model_size": 150}, {"budget": Budget(params=150)}])
@pytest.mark.parametrize("space", [Recurrent(), Wide()])
def test_networks_with_too_many_weights_are_no_trials(limit, space, tmp_path):
    tuner = Tuner(space, "random", objective="loss", max_trials=3, directory=tmp_path, **limit)
    shape = (4, 3, 2) if isinstance(space, Recurrent) else (4, 8)
    tuner.search(np.ones(shape), np.ones((4, 1)), verbose=0)
    params = [result["params"] for result in tuner.results()]
    assert len(params) == 3
    assert all(result["status"] == "COMPLETED" for result in tuner.results())
    assert max(params) <= 150


@pytest.mark.parametrize("space", [Recurrent(), Subclassed()])
def test_weights_are_an_objective_of_every_model(space, tmp_path):
    objective = ["loss", "params"]
    tuner = Tuner(space, "nsga2", objective=objective, max_trials=2, directory=tmp_path, seed=0)
    tuner.search(np.ones((4, 3, 2)), np.ones((4, 1)), verbose=0)
    for trial in tuner.oracle.trials.values():
        model = tuner.load_model(trial)
        if not model.built:
            model(np.ones((4, 3, 2)))
        assert trial.metrics.get_best_value("params") == model.count_params()


def test_a_cost_that_nothing_tells_is_refused_before_training(tmp_path):
    trained = []

    class Noting(Recurrent):
        def fit(self, hp, model, *args, **kwargs):
            trained.append(1)
            return model.fit(*args, **kwargs)

    tuner = Tuner(Noting(), "nsga2", objective=["loss", "flash"], max_trials=1, directory=tmp_path)
    with pytest.raises(RuntimeError, match=r"not known: flash\. .*'gru"):
        tuner.search(np.ones((4, 3, 2)), np.ones((4, 1)), verbose=0)
    assert not trained
