"""Weights from the parent, in real searches."""

import glob
import os

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.oracles import Proposal, genome


class Chain(kn.oracles.Strategy):
    """A random network first; each further one is a child of the one before."""

    def propose(self, history, rng):
        if not history.completed:
            return Proposal(genome.sample(history.space, rng))
        parent = history.completed[-1]
        values = genome.mutate(history.space, history.values(parent), rng)
        return Proposal(values, (parent.trial_id,), "mutation")


def make(build, folder, oracle=Chain, **kwargs):
    kwargs = {"objective": "val_loss", "max_trials": 4, "seed": 0, "inherit": True, **kwargs}
    return kn.Tuner(build, oracle, directory=folder, project_name="run", **kwargs)


class Begin(keras.callbacks.Callback):
    """Notes the weights that each training begins with."""

    begun: list[list[np.ndarray]] = []  # noqa: RUF012

    def on_train_begin(self, logs=None):
        Begin.begun.append([np.array(weight) for weight in self.model.trainable_weights])


@pytest.fixture
def wide(data):
    """Networks of one architecture, that differ in what they drop."""

    def build_wide(hp):
        model = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(4, activation="relu"),
                keras.layers.Dropout(hp.Float("rate", 0.0, 0.5)),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        return model

    return build_wide


def test_a_child_begins_where_its_parent_ended_and_trains_for_half_as_long(wide, fit, tmp_path):
    tuner = make(wide, tmp_path)
    Begin.begun.clear()
    tuner.search(**{**fit, "epochs": 5, "callbacks": [Begin()]})
    rows = tuner.results()
    assert [row["epochs"] for row in rows] == [5, 3, 3, 3]
    assert [row["inherited_from"] for row in rows] == [None, "0", "1", "2"]
    for child in range(1, 4):
        parent = tuner.load_model(tuner.oracle.trials[str(child - 1)])
        for begun, ended in zip(Begin.begun[child], parent.trainable_weights, strict=True):
            np.testing.assert_array_equal(begun, np.array(ended))


def test_without_it_every_network_begins_anew(wide, fit, tmp_path):
    tuner = make(wide, tmp_path, inherit=False)
    tuner.search(**fit)
    assert [(row["epochs"], row["inherited_from"]) for row in tuner.results()] == [(2, None)] * 4


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_a_parent_whose_weights_are_gone(wide, fit, tmp_path, damage, capsys):
    class Damaging(kn.Tuner):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            if trial.trial_id == "1":
                (path,) = glob.glob(f"{tmp_path}/run/trial_1/*.weights.h5")
                if damage == "deleted":
                    os.remove(path)
                else:
                    with open(path, "r+b") as file:
                        file.truncate(100)

    tuner = Damaging(
        wide,
        Chain,
        objective="val_loss",
        max_trials=4,
        seed=0,
        inherit=True,
        directory=tmp_path,
        project_name="run",
    )
    tuner.search(**{**fit, "epochs": 4, "verbose": 1})
    rows = tuner.results()
    assert [row["inherited_from"] for row in rows] == [None, "0", None, "2"]
    assert [row["epochs"] for row in rows] == [4, 2, 4, 2]
    assert capsys.readouterr().out.count("begins anew") == 1


def test_a_failed_parent_is_passed_over(fit, tmp_path):
    def build(hp):
        rate = hp.Float("rate", 0.0, 0.5)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, name="only")])
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        assert rate >= 0
        return model

    class Skipping(kn.oracles.Strategy):
        def propose(self, history, rng):
            values = genome.sample(history.space, rng)
            parents = (history.started[-1].trial_id,) if history.started else ()
            return Proposal(values, parents)

    class Failing(kn.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            if trial.trial_id == "1":
                raise keras_tuner.errors.FailedTrialError("no luck")
            return super().run_trial(trial, *args, **kwargs)

    tuner = Failing(
        build,
        Skipping,
        objective="val_loss",
        max_trials=3,
        seed=0,
        inherit=True,
        directory=tmp_path,
    )
    tuner.search(**fit)
    assert [row["inherited_from"] for row in tuner.results()] == [None, None, "0"]


def test_a_resumed_search_is_as_the_unbroken_one(wide, fit, tmp_path):
    whole = make(wide, tmp_path / "whole", max_trials=6)
    whole.search(**fit)
    make(wide, tmp_path / "cut", max_trials=3).search(**fit)
    cut = make(wide, tmp_path / "cut", max_trials=6)
    cut.search(**fit)
    for one, other in zip(cut.results(), whole.results(), strict=True):
        assert one["score"] == other["score"]
        assert one["inherited_from"] == other["inherited_from"]


@pytest.mark.parametrize("oracle", ["evolution", "greedy", "local_search", "predictor", "nsga2"])
def test_strategies_with_parents(oracle, data, tmp_path):
    x, y = data
    space = kn.LayerwiseHyperModel((6, 1), 2, stages=((2, 3), (2, 4)), blocks=(1, 2))
    tuner = make(space, tmp_path, oracle, max_trials=8 if oracle != "nsga2" else 14)
    tuner.search(x[..., None], y, validation_split=0.25, epochs=2, verbose=0)
    rows = tuner.results()
    children = [row for row in rows if row["inherited_from"] is not None]
    assert children
    assert all(row["epochs"] == 1 for row in children)
    assert all(row["epochs"] == 2 for row in rows if row["inherited_from"] is None)


def test_short_trainings_begin_anew_and_full_ones_inherit_from_full_ones(data, tmp_path):
    x, y = data
    space = kn.LayerwiseHyperModel((6, 1), 2, stages=((2, 3), (2, 4)), blocks=(1, 2))
    fidelity = kn.oracles.ShortThenBest(epochs=1, keep=3)
    tuner = make(space, tmp_path, "greedy", max_trials=12, fidelity=fidelity)
    tuner.search(x[..., None], y, validation_split=0.25, epochs=4, verbose=0)
    rows = tuner.results()
    full = {row["trial_id"] for row in rows if row["operator"] == "promotion"}
    assert len(full) == 3
    for row in rows:
        assert row["inherited_from"] in {None, *full}
        if row["trial_id"] not in full:
            assert row["inherited_from"] is None
            assert row["epochs"] == 1
        else:
            assert row["epochs"] == (2 if row["inherited_from"] else 4)


def test_an_oracle_of_keras_tuner_has_no_parents(wide, fit, tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("val_loss", "min"), max_trials=2, seed=0
    )
    tuner = kn.Tuner(wide, oracle, inherit=True, directory=tmp_path)
    tuner.search(**fit)
    assert [row["inherited_from"] for row in tuner.results()] == [None, None]


def test_a_fit_of_the_users_own_keeps_its_epochs(fit, tmp_path, data):
    class Own(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Float("rate", 0.0, 0.5)
            model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, name="only")])
            model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
            return model

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **kwargs)

    tuner = make(Own(), tmp_path, max_trials=2)
    tuner.search(**fit)
    assert [row["epochs"] for row in tuner.results()] == [2, 2]
    assert tuner.results()[1]["inherited_from"] == "0"
