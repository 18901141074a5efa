import inspect
import itertools
import time
import types

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas import oracles, tuners

NAMED = sorted(tuners.named.__all__)


@pytest.mark.parametrize("name", NAMED)
def test_a_tuner_makes_the_oracle_of_its_name(build, tmp_path, name):
    tuner = getattr(kn, name)(build, "val_loss", seed=3, directory=tmp_path)
    assert type(tuner.oracle) is getattr(oracles, f"{name}Oracle")
    assert tuner.oracle.seed == 3


@pytest.mark.parametrize("name", NAMED)
def test_its_signature_shows_what_it_takes(name):
    parameters = list(inspect.signature(getattr(kn, name)).parameters)
    assert parameters[:2] == ["hypermodel", "objective"]
    assert {"max_trials", "seed", "hyperparameters", "budget", "max_time", "directory"} <= {
        *parameters
    }
    with pytest.raises(ValueError, match=r"Unrecognized arguments of \w+: unheard_of"):
        getattr(kn, name)(unheard_of=1)


def test_a_misspelt_argument_is_told_from_those_there_are(build, tmp_path):
    with pytest.raises(ValueError, match="Did you mean `max_trials`"):
        kn.RandomSearch(build, "val_loss", max_trial=3, directory=tmp_path)
    with pytest.raises(ValueError, match=r"of Tuner: max_tries\. Did.* It takes: budget"):
        kn.Tuner(build, objective="val_loss", max_tries=3, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_logger_of_old_scripts_has_no_effect(build, tmp_path):
    with pytest.warns(DeprecationWarning, match="`logger` has no effect"):
        kn.RandomSearch(build, "val_loss", directory=tmp_path, logger="mine")
    kn.Tuner(build, objective="val_loss", directory=tmp_path, logger=None, project_name="other")


def test_arguments_by_position_are_those_of_keras_tuner(build, tmp_path):
    """Up to the space; after it come two whose order differs from KerasTuner's own oracles."""
    for ours, theirs in (
        (kn.RandomSearch, keras_tuner.RandomSearch),
        (kn.BayesianOptimization, keras_tuner.BayesianOptimization),
        (kn.GridSearch, keras_tuner.GridSearch),
        (kn.Hyperband, keras_tuner.Hyperband),
    ):
        expected = list(inspect.signature(theirs).parameters)
        count = expected.index("hyperparameters") + 1
        given = list(inspect.signature(ours).parameters.values())
        assert [one.name for one in given[:count]] == expected[:count]
        assert all(one.kind is one.KEYWORD_ONLY for one in given[count:])
    tuner = kn.Hyperband(build, "val_loss", 9, 3, 1, 42, directory=tmp_path)
    assert (tuner.oracle.seed, tuner.oracle.max_trials) == (42, None)


def test_the_oracle_may_come_first_as_in_keras_tuner(build, tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1)
    tuner = kn.Tuner(oracle, build, directory=tmp_path)
    assert tuner.oracle is oracle
    assert tuner.directory == tmp_path


def test_a_random_search_takes_several_objectives(build, fit, tmp_path):
    tuner = kn.RandomSearch(build, ["val_loss", "params"], max_trials=3, directory=tmp_path, seed=0)
    tuner.search(**{**fit, "epochs": 1})
    front = tuner.get_pareto_trials()
    assert 1 <= len(front) <= 3
    losses = [trial.score for trial in tuner.get_best_trials(3)]
    assert losses == sorted(losses)  # The score is the first objective's.


def test_the_arguments_reach_the_oracle(build, tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("units", 3)
    tuner = kn.Evolution(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_trials=7,
        population_size=4,
        sample_size=2,
        crossover=0.5,
        seed=11,
        hyperparameters=hp,
        max_retries_per_trial=1,
        max_consecutive_failed_trials=5,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert (oracle.max_trials, oracle.strategy.population_size, oracle.strategy.sample_size) == (
        7,
        4,
        2,
    )
    assert (oracle.strategy.crossover, oracle.seed) == (0.5, 11)
    assert (oracle.max_retries_per_trial, oracle.max_consecutive_failed_trials) == (1, 5)
    assert [p.name for p in oracle.get_space().space] == ["units", "act", "rate"]
    assert tuner.remaining_trials == 7


def test_trials_without_end_until_the_time_is_over(build, fit, tmp_path, monkeypatch):
    seconds = itertools.count()  # Each look at the clock takes one.
    clock = types.SimpleNamespace(monotonic=lambda: next(seconds), sleep=time.sleep)
    monkeypatch.setattr("kerasnas.tuners.search_loop.time", clock)
    tuner = kn.Evolution(build, "val_loss", max_trials=None, max_time=5, seed=0, directory=tmp_path)
    tuner.search(**{**fit, "epochs": 1})
    assert len(tuner.results()) == 4


def test_children_have_a_parent(build, fit, tmp_path):
    tuner = kn.Evolution(build, "val_loss", 5, population_size=2, seed=0, directory=tmp_path)
    tuner.search(**{**fit, "epochs": 1})
    results = {r["trial_id"]: r for r in tuner.results()}
    children = [r for r in results.values() if r["operator"] == "mutation"]
    assert children
    for child in children:
        parent = results[child["parents"][0]]
        changed = [name for name, v in child["values"].items() if parent["values"][name] != v]
        assert len(changed) == 1


def test_a_strategy_by_one_word(build, fit, tmp_path, capsys):
    fit = {**fit, "epochs": 1, "verbose": 1}
    for name, oracle in (
        ("local_search", oracles.LocalSearchOracle),
        ("Greedy", oracles.GreedyOracle),
    ):
        tuner = kn.Tuner(
            build,
            name,
            objective="val_loss",
            max_trials=2,
            seed=0,
            directory=tmp_path,
            project_name=name,
        )
        assert type(tuner.oracle) is oracle
        tuner.search(**fit)
    assert "Strategy" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="no strategy of that name"):
        kn.Tuner(build, "genetic", objective="val_loss", directory=tmp_path)


def test_the_default_says_what_it_chose(build, fit, tmp_path, capsys):
    tuner = kn.Tuner(build, objective="val_loss", max_trials=2, seed=0, directory=tmp_path)
    tuner.search(**{**fit, "epochs": 1, "verbose": 1})
    assert "Strategy: predictor" in capsys.readouterr().out


class Epochs(keras.callbacks.Callback):
    """Counts the epochs of every training of a test."""

    trained: list[int] = []  # noqa: RUF012

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, logs=None):
        self.trained.append(0)

    def on_epoch_end(self, epoch, logs=None):
        self.trained[-1] += 1


def test_asha_stops_trainings_that_fall_behind(build, fit, tmp_path):
    Epochs.trained.clear()
    tuner = kn.ASHA(
        build, "val_loss", max_trials=9, max_epochs=9, min_epochs=1, seed=0, directory=tmp_path
    )
    tuner.search(**{**fit, "epochs": 50}, callbacks=[Epochs()])
    results = tuner.results()
    assert Epochs.trained == [result["epochs"] for result in results]
    assert {result["status"] for result in results} == {"COMPLETED"}
    assert set(Epochs.trained) <= {1, 3, 9}
    assert {1, 9} <= set(Epochs.trained)
    lineages = [tuner.oracle.lineage[result["trial_id"]] for result in results]
    assert [line.get("stopped", 9) for line in lineages] == Epochs.trained
    first = [line["reports"]["1"] for line in lineages]
    assert np.isfinite(first).all()


def test_the_best_by_a_proxy_are_trained_first(build, fit, tmp_path, capsys):
    fit = {**fit, "epochs": 1, "verbose": 1}
    tuner = kn.Evolution(
        build,
        "val_loss",
        max_trials=4,
        warm_start=kn.WarmStart("params", candidates=24, keep=3),
        seed=0,
        directory=tmp_path,
    )
    tuner.search(**fit)
    results = tuner.results()
    assert [r["operator"] for r in results] == ["enqueued"] * 3 + ["mutation"]
    assert [r["values"]["units"] for r in results[:3]] == [7, 7, 7]
    assert capsys.readouterr().out.count("Ranking 24 untrained networks by params") == 1
    more = kn.Evolution(
        build, "val_loss", max_trials=5, warm_start="synflow", seed=0, directory=tmp_path
    )
    more.search(**fit)
    assert len(more.results()) == 5
    assert "Ranking" not in capsys.readouterr().out


def test_settings_can_be_trained_first(build, fit, tmp_path):
    settings = [{"units": 5, "act": "tanh"}, {"units": 3}]
    tuner = kn.Random(
        build, "val_loss", max_trials=3, warm_start=settings, seed=0, directory=tmp_path
    )
    tuner.search(**{**fit, "epochs": 1})
    assert [r["values"]["units"] for r in tuner.results()][:2] == [5, 3]
