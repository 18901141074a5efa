"""KerasTuner's names are there, and are what they say."""

import importlib

import keras_tuner
import pytest

import kerasnas as kn

SAME = ("HyperParameters", "Objective", "Oracle", "SklearnTuner", "synchronized")


def test_every_name_of_keras_tuner_is_there():
    public = {name for name in vars(keras_tuner) if not name.startswith("_")} - {"src"}
    assert public <= {*vars(kn)}
    assert public <= {*kn.__all__}
    for module in ("tuners", "oracles"):
        theirs = {
            name for name in vars(getattr(keras_tuner, module)) if not name.startswith("_")
        } - {"keras_tuner"}
        assert theirs <= {*getattr(kn, module).__all__}


def test_they_are_keras_tuners_own_or_the_tuner_of_ours_that_does_the_same():
    assert all(getattr(kn, name) is getattr(keras_tuner, name) for name in SAME)
    assert kn.HyperParameter is keras_tuner.engine.hyperparameters.HyperParameter
    assert kn.oracles.Oracle is not kn.Oracle
    assert issubclass(kn.oracles.Oracle, kn.Oracle)
    assert (kn.RandomSearch, kn.GridSearch) == (kn.Random, kn.Grid)
    assert kn.BayesianOptimization is kn.tuners.BayesianOptimization is kn.Bayesian
    assert issubclass(kn.HyperModel, keras_tuner.HyperModel)
    assert issubclass(kn.Tuner, keras_tuner.Tuner)


@pytest.mark.parametrize(
    "module",
    [
        *("applications", "errors", "engine", "engine.base_tuner", "engine.hypermodel"),
        *("engine.hyperparameters", "engine.metrics_tracking", "engine.oracle"),
        *("engine.trial", "engine.tuner"),
    ],
)
def test_its_modules_are_imported_by_the_same_path(module):
    theirs = importlib.import_module(f"keras_tuner.{module}")
    ours = importlib.import_module(f"kerasnas.{module}")
    assert vars(kn)[module.split(".")[0]]
    names = {name for name in vars(theirs) if not name.startswith("_")} - {"keras_tuner"}
    assert names
    for name in names:
        found = getattr(theirs, name)
        if isinstance(found, type) or not hasattr(found, "__path__"):
            assert getattr(ours, name) is found
