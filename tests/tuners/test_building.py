"""How the model of a trial is built, compiled, and built again."""

import keras
import numpy as np
import pytest

from kerasnas.oracles import EvolutionOracle
from kerasnas.tuners import Tuner
from kerasnas.tuners.building import build_config, check_model


def test_what_is_not_a_keras_model_is_named():
    import sklearn.linear_model
    import tf_keras

    check_model(keras.Sequential())
    with pytest.raises(TypeError, match=r"Keras 2 model.*tf_keras"):
        check_model(tf_keras.Sequential())
    with pytest.raises(TypeError, match=r"sklearn.*LinearRegression"):
        check_model(sklearn.linear_model.LinearRegression())
    with pytest.raises(TypeError, match=r"forget to return.*NoneType"):
        check_model(None)


@pytest.mark.parametrize(
    "given",
    [{"optimizer": "sgd"}, {"optimizer": keras.optimizers.SGD(0.5)}, {"loss": "mse"}],
    ids=["name", "object", "loss"],
)
def test_what_is_not_overridden_is_kept(build, fit, tmp_path, given):
    oracle = EvolutionOracle("val_accuracy", max_trials=2, seed=3)
    tuner = Tuner(build, oracle, directory=tmp_path, **given)
    tuner.search(**fit)
    best = tuner.get_best_models()[0]
    assert (best.loss, best.run_eagerly) == (given.get("loss", "binary_crossentropy"), True)
    rate = 0.5 if isinstance(given.get("optimizer"), keras.optimizers.Optimizer) else 0.01
    assert float(best.optimizer.learning_rate) == pytest.approx(rate)
    assert {"val_accuracy", "val_loss"} <= {*tuner.results()[0]["metrics"]}


@pytest.mark.parametrize(("stateful", "batch"), [(False, None), (True, 4)])
def test_a_model_without_an_input_is_loaded_for_any_batch_it_can_take(tmp_path, stateful, batch):
    def build(hp):
        units = hp.Int("units", 2, 4)
        layers = [keras.layers.SimpleRNN(units, stateful=stateful), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    x, y = np.ones((8, 2, 3), "float32"), np.zeros((8, 1))
    oracle = EvolutionOracle("loss", max_trials=1, seed=0)
    tuner = Tuner(build, oracle, directory=tmp_path)
    tuner.search(x, y, batch_size=4, shuffle=False, verbose=0)
    assert tuner.get_best_models()[0].input_shape == (batch, 2, 3)


def test_models_of_several_inputs_keep_their_build_config():
    inputs = [keras.Input((2,), batch_size=4), keras.Input((3,), batch_size=4)]
    model = keras.Model(inputs, keras.layers.Concatenate()(inputs))
    assert build_config(model) == (model.get_build_config() or {})
