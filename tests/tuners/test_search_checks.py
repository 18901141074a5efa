"""Searches that no trial could be trained with are refused before the first one."""

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas import oracles
from kerasnas.tuners import Evolution, Tuner


def generator():
    yield np.zeros((8, 3)), np.zeros((8, 1))


def bad_searches(fit):
    x, y = fit["x"], fit["y"]
    return [
        ({**fit, "y": y[:9]}, ValueError, "one row a sample"),
        ({**fit, "x": x[:0], "y": y[:0]}, ValueError, "empty"),
        ({**fit, "validation_split": None}, ValueError, "validation_data"),
        ({**fit, "epoch": 3}, TypeError, "epoch"),
        ({"args": (x, y, 8, 1, 0, []), "validation_split": 0.25}, TypeError, "callbacks"),
        ({**fit, "verbose": 3}, ValueError, "verbose"),
        ({**fit, "callbacks": [NotCopied()]}, ValueError, "deep"),
        ({**fit, "callbacks": [generator()]}, TypeError, "instances of keras.callbacks.Callback"),
        (
            {**fit, "callbacks": keras.callbacks.EarlyStopping},
            TypeError,
            r"pass an instance, EarlyStopping\(...\), not the class",
        ),
        (
            {**fit, "callbacks": [keras.callbacks.EarlyStopping(monitor="val_f1")]},
            ValueError,
            "EarlyStopping monitors 'val_f1', which the training does not report. .* accuracy",
        ),
    ]


class NotCopied(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.kept = generator()


def test_bad_searches_start_no_trial_and_leave_the_folder_alone(build, fit, tmp_path):
    def evolution(**kwargs):
        return Evolution(
            build, "val_loss", 1, directory=tmp_path, project_name="run", seed=0, **kwargs
        )

    evolution().search(**fit)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for arguments, error, message in bad_searches(fit):
        tuner = evolution(overwrite=True)
        with pytest.raises(error, match=message):
            tuner.search(*arguments.pop("args", ()), **arguments)
        assert tuner.results() == []
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_an_objective_that_is_no_metric_starts_no_trial(build, fit, tmp_path):
    tuner = Evolution(build, "val_mae", 1, directory=tmp_path)
    with pytest.raises(ValueError, match="val_accuracy"):
        tuner.search(**fit)
    with pytest.raises(ValueError, match="objective"):
        Evolution(build, None, 1, directory=tmp_path, project_name="none").search(**fit)
    assert tuner.results() == []
    assert list(tmp_path.rglob("trial*")) == []


def test_epochs_that_have_no_effect_are_named(build, fit, tmp_path):
    tuner = kn.Hyperband(build, "val_loss", max_epochs=2, max_trials=1, directory=tmp_path)
    with pytest.warns(UserWarning, match=r"epochs=50.*max_epochs=2"):
        tuner.search(**{**fit, "epochs": 50})


def test_epochs_by_position_where_the_oracle_sets_them(build, data, tmp_path):
    tuner = kn.ASHA(build, "loss", max_epochs=3, directory=tmp_path)
    with pytest.raises(ValueError, match=r"`max_epochs`.*epochs=5"):
        tuner.search(*data, 16, 5)


def test_what_the_users_own_code_takes_is_checked(build, data, tmp_path):
    class OwnRun(Tuner):
        def run_trial(self, trial, x):
            return 0.0

    class OwnFit(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, x, y):
            return model.fit(x, y)

    objective = keras_tuner.Objective("score", "min")
    own_run = OwnRun(build, oracles.RandomOracle(objective, max_trials=1), directory=tmp_path)
    with pytest.raises(TypeError, match=r"`run_trial\(.*does not take"):
        own_run.search(*data)
    own_fit = Tuner(OwnFit(), oracles.RandomOracle("loss", max_trials=1), directory=tmp_path / "b")
    with pytest.raises(TypeError, match=r"`fit\(.*does not take.*callbacks"):
        own_fit.search(*data)
    assert not own_run.results() + own_fit.results()
