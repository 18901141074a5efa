"""Strategies that train every trial in full work in KerasTuner's SklearnTuner as they are."""

import keras_tuner
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from kerasnas import oracles
from kerasnas.oracles.named import ORACLES

NEED_EPOCHS = {"asha", "hyperband"}


def build(hp):
    kind = hp.Choice("criterion", ["gini", "entropy"])
    return DecisionTreeClassifier(
        criterion=kind,
        max_depth=hp.Int("max_depth", 1, 6),
        min_samples_leaf=hp.Int("min_samples_leaf", 1, 10),
        random_state=0,
    )


@pytest.mark.parametrize("name", sorted({*ORACLES} - NEED_EPOCHS))
def test_a_decision_tree_is_searched(tmp_path, name):
    oracle = oracles.make(
        name, objective=keras_tuner.Objective("score", "max"), max_trials=6, seed=0
    )
    tuner = keras_tuner.SklearnTuner(oracle, build, directory=tmp_path, project_name=name)
    tuner.search(*load_iris(return_X_y=True))
    trials = [*oracle.trials.values()]
    assert [trial.status for trial in trials] == ["COMPLETED"] * 6
    assert len({tuple(sorted(trial.hyperparameters.values.items())) for trial in trials}) == 6
    assert oracle.get_best_trials()[0].score > 0.5
