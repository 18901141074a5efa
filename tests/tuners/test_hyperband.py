"""Hyperband: the usual KerasTuner script, and the epochs that each trial was given."""

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas.tuners as kt  # The only line that differs from a KerasTuner script.
from kerasnas.oracles import HyperbandOracle


def test_a_keras_tuner_script_runs_unchanged(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 5)).astype("float32")
    y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")

    def build_model(hp):
        model = keras.Sequential()
        model.add(keras.layers.Input(shape=(5,)))
        for _ in range(hp.Int("num_layers", 1, 2)):
            units = hp.Int("units", min_value=8, max_value=32, step=8)
            model.add(keras.layers.Dense(units=units, activation="relu"))
            model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
        model.add(keras.layers.Dense(1, activation="sigmoid"))
        model.compile(
            optimizer=keras.optimizers.Adam(hp.Choice("learning_rate", [1e-2, 1e-3])),
            loss="binary_crossentropy",
            metrics=["accuracy"],
        )
        return model

    tuner = kt.Hyperband(
        build_model,
        objective="val_accuracy",
        max_epochs=3,
        factor=3,
        directory=tmp_path,
        project_name="intro_to_kt",
    )
    stop_early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
    tuner.search(x, y, epochs=50, validation_split=0.2, callbacks=[stop_early])
    best_hps = tuner.get_best_hyperparameters(num_trials=1)[0]
    assert best_hps.get("units") in (8, 16, 24, 32)
    model = tuner.hypermodel.build(best_hps)
    history = model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    assert len(history.history["val_accuracy"]) == 2
    tuner.results_summary()
    assert tuner.get_best_models(num_models=2)[0].predict(x[:4], verbose=0).shape == (4, 1)


class Epochs(keras.callbacks.Callback):
    """Notes the epochs of each training, since copies of it are what a search uses."""

    trained: list = []  # noqa: RUF012

    def on_train_begin(self, logs=None):
        Epochs.trained.append([])

    def on_epoch_end(self, epoch, logs=None):
        Epochs.trained[-1].append(epoch)


class TheirHyperband(keras_tuner.Hyperband):
    """KerasTuner's own Hyperband tuner, around an oracle of ours."""

    def __init__(self, hypermodel, oracle, **kwargs):
        keras_tuner.Tuner.__init__(self, oracle, hypermodel, **kwargs)


@pytest.mark.parametrize("tuner_class", [kt.Tuner, TheirHyperband])
def test_each_trial_trains_the_epochs_it_was_given(build, fit, tmp_path, tuner_class):
    Epochs.trained.clear()
    oracle = HyperbandOracle("val_loss", max_epochs=2, factor=2, min_epochs=1, seed=0)
    tuner = tuner_class(hypermodel=build, oracle=oracle, directory=tmp_path)
    tuner.search(**{**fit, "epochs": 50}, callbacks=[Epochs()])
    given = [trial.hyperparameters.values for trial in oracle.trials.values()]
    assert Epochs.trained == [
        list(range(values["tuner/initial_epoch"], values["tuner/epochs"])) for values in given
    ]
    promoted = [values for values in given if "tuner/trial_id" in values]
    assert promoted
    assert {values["tuner/epochs"] for values in promoted} == {2}


def test_a_tuner_of_its_own_constructor(build, fit, tmp_path):
    Epochs.trained.clear()
    tuner = kt.Hyperband(build, "val_loss", max_epochs=2, factor=2, directory=tmp_path, seed=0)
    tuner.search(**fit, callbacks=[Epochs()])
    results = tuner.results()
    assert [len(epochs) for epochs in Epochs.trained] == [r["epochs"] for r in results]
    assert {r["status"] for r in results} == {"COMPLETED"}
    with pytest.raises(ValueError, match="max_epochs=0"):
        kt.Hyperband(build, "val_loss", max_epochs=0, directory=tmp_path)


class Deaf(keras_tuner.HyperModel):
    """Has a `fit` that ignores the callbacks that it is given."""

    def __init__(self, build):
        super().__init__()
        self.building = build

    def build(self, hp):
        return self.building(hp)

    def fit(self, hp, model, x, y, callbacks=None, **kwargs):
        return model.fit(x, y, verbose=0, validation_split=0.25).history["val_loss"][-1]


def test_a_fit_that_keeps_no_weights_ends_the_search_at_its_first_trial(build, fit, tmp_path):
    tuner = kt.Hyperband(Deaf(build), "val_loss", 4, 2, min_epochs=1, directory=tmp_path)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match="must pass on the `callbacks`"):
        tuner.search(fit["x"], fit["y"], verbose=0)
    assert len(tuner.oracle.trials) == 1


def test_it_does_no_harm_where_no_trial_goes_on(build, fit, tmp_path):
    tuner = kt.Hyperband(Deaf(build), "val_loss", 2, 3, directory=tmp_path)
    tuner.search(fit["x"], fit["y"], verbose=0)
    assert {result["status"] for result in tuner.results()} == {"COMPLETED"}


@pytest.mark.parametrize("strategy", [kt.Hyperband, kt.Random])
def test_a_fit_that_does_not_take_what_it_is_given_is_named_first(build, fit, tmp_path, strategy):
    class Narrow(Deaf):
        def fit(self, hp, model, x, y):
            return model.fit(x, y)

    tuner = strategy(Narrow(build), "val_loss", directory=tmp_path)
    with pytest.raises(TypeError, match=r"`fit\(hp, model, x, y\)` does not take .*callbacks"):
        tuner.search(fit["x"], fit["y"])
    assert not tuner.oracle.trials


def test_a_run_trial_that_does_not_take_the_arguments_of_search(tmp_path):
    class Own(kt.Random):
        def run_trial(self, trial, x):
            return trial.hyperparameters.Float("rate", 0, 1)

    tuner = Own(max_trials=2, directory=tmp_path)
    with pytest.raises(TypeError, match=r"`run_trial\(trial, x\)` does not take .*epochs"):
        tuner.search(1, epochs=3)
    tuner.search(x=1)
    assert len(tuner.oracle.trials) == 2
