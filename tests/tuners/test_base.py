"""The search: what ends it, what does not, and what it gives back."""

import json

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.hardware.budget import Budget
from kerasnas.oracles import EvolutionOracle
from kerasnas.tuners import Evolution, Tuner


def evolution(build, tmp_path, **kwargs):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 0, "project_name": "run"}
    return Evolution(build, directory=tmp_path, **{**settings, **kwargs})


def table(tuner):
    return [(r["trial_id"], r["values"], r["score"]) for r in tuner.results()]


def test_every_trial_ends_with_a_score_and_the_best_come_first(build, fit, tmp_path):
    tuner = evolution(build, tmp_path)
    tuner.search(**fit)
    results = tuner.results()
    assert [r["status"] for r in results] == ["COMPLETED"] * 3
    assert len({json.dumps(r["values"], sort_keys=True) for r in results}) == 3
    scores = [trial.score for trial in tuner.get_best_trials(3)]
    assert scores == sorted(r["score"] for r in results)
    best = tuner.get_best_hyperparameters(1)[0]
    assert best.values == min(results, key=lambda r: r["score"])["values"]


def test_the_best_model_is_the_one_that_was_scored(build, fit, tmp_path):
    tuner = evolution(build, tmp_path)
    tuner.search(**fit)
    model = tuner.get_best_models(1)[0]
    held_out = fit["x"][36:], fit["y"][36:]
    loss = model.evaluate(*held_out, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(tuner.get_best_trials(1)[0].score, rel=1e-5)


def test_a_build_that_fails_is_one_failed_trial_with_its_reason(build, fit, tmp_path):
    def fails_sometimes(hp):
        if hp.Choice("act", ["relu", "tanh"]) == "tanh":
            raise ValueError("tanh is not for us\nsecond line")
        return build(hp)

    tuner = evolution(fails_sometimes, tmp_path, max_trials=8)
    tuner.search(**fit)
    results = tuner.results()
    assert len(results) == 8
    for result in results:
        failed = result["values"]["act"] == "tanh"
        assert result["status"] == ("FAILED" if failed else "COMPLETED")
        assert result["message"] == ("ValueError: tanh is not for us" if failed else None)
    assert {r["status"] for r in results} == {"FAILED", "COMPLETED"}
    failed = next(t for t in tuner.oracle.trials.values() if t.status == "FAILED")
    assert "Traceback" in failed.message
    assert "second line" in failed.message


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("out of memory")])
def test_errors_of_the_training_are_failed_trials_too(build, fit, tmp_path, error):
    class Fails(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            if hp.get("act") == "tanh":
                raise error
            return model.fit(*args, **kwargs)

    tuner = evolution(Fails(), tmp_path, max_trials=6)
    tuner.search(**fit)
    messages = {r["message"] for r in tuner.results() if r["values"]["act"] == "tanh"}
    assert messages == {f"{type(error).__name__}: {error}"}


def test_a_loss_that_is_not_finite_fails_the_trial(build, data, tmp_path):
    x, y = data
    weights = np.ones(len(x))
    weights[0] = np.nan

    def compiled_for_accuracy(hp):
        return build(hp)

    tuner = evolution(compiled_for_accuracy, tmp_path, objective="accuracy", max_trials=1)
    with pytest.raises(RuntimeError, match="the loss is nan after epoch 1"):
        tuner.search(x, y, sample_weight=weights, epochs=2, verbose=0)
    assert tuner.results()[0]["status"] == "FAILED"


def test_a_network_whose_weights_became_nan_fails_the_trial(build, fit, tmp_path):
    def diverges(hp):
        model = build(hp)
        # The loss of the only step comes before its update.
        model.compile(
            keras.optimizers.SGD(float("nan")),
            "binary_crossentropy",
            metrics=["accuracy"],
            run_eagerly=True,
        )
        return model

    tuner = evolution(diverges, tmp_path, objective="val_accuracy", max_trials=1)
    with pytest.raises(RuntimeError, match="the val_loss is nan after epoch 1"):
        tuner.search(**{**fit, "epochs": 1})


def test_a_score_that_is_not_finite_is_retried_and_the_retry_counts(build, fit, tmp_path):
    scores = iter([float("nan"), 0.25, 0.5])

    class Scores(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return next(scores)

    tuner = evolution(Scores(), tmp_path, max_trials=2, max_retries_per_trial=1)
    tuner.search(**fit)
    assert [(r["status"], r["score"]) for r in tuner.results()] == [
        ("COMPLETED", 0.25),
        ("COMPLETED", 0.5),
    ]


def test_a_retry_trains_with_another_seed(build, fit, tmp_path):
    seen = []

    class Notes(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            seen.append(np.array(model.weights[0]))
            raise ValueError("not yet" if len(seen) == 1 else "never")

    tuner = evolution(Notes(), tmp_path, max_trials=1, max_retries_per_trial=1)
    with pytest.raises(RuntimeError, match="never"):
        tuner.search(**fit)
    assert len(seen) == 2
    assert not np.array_equal(*seen)


def test_enqueued_settings_go_first(build, fit, tmp_path):
    tuner = evolution(build, tmp_path)
    tuner.enqueue({"units": 7, "act": "tanh"})
    tuner.enqueue({"units": 2})
    tuner.search(**fit)
    values = [r["values"] for r in tuner.results()]
    assert values[0] == {"units": 7, "act": "tanh", "rate": 0.0}
    assert values[1] == {"units": 2, "act": "relu", "rate": 0.0}
    with pytest.raises(ValueError, match="unitz"):
        tuner.enqueue({"unitz": 3})


def test_enqueue_needs_an_oracle_of_ours(build, tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1)
    with pytest.raises(TypeError, match="RandomSearchOracle"):
        Tuner(build, oracle, directory=tmp_path).enqueue({"units": 3})


def test_oracles_of_keras_tuner_work(build, fit, tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=2, seed=1)
    tuner = Tuner(build, oracle, directory=tmp_path)
    tuner.search(**fit)
    assert len(tuner.get_best_models(5)) == 2
    again = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=3, seed=1)
    resumed = Tuner(build, again, directory=tmp_path)
    resumed.search(**fit)
    assert table(resumed)[:2] == table(tuner)
    assert len(table(resumed)) == 3


def test_what_breaks_the_budget_is_never_trained(build, fit, tmp_path):
    limit = 6 * 4 + 4 + 4 + 1  # The network with 4 units.
    tuner = evolution(build, tmp_path, max_trials=12, budget=Budget(params=limit))
    tuner.search(**fit)
    results = tuner.results()
    assert len(results) == 12
    assert max(r["values"]["units"] for r in results) == 4
    assert max(r["params"] for r in results) == limit
    assert tuner.oracle.turned_away > 0


def test_the_budget_is_checked_again_on_the_built_model(build, fit, tmp_path):
    class Grows(keras_tuner.HyperModel):
        """Wider in a trial than when the proposal was judged."""

        wide = False

        def build(self, hp):
            units = hp.Int("units", 2, 4)
            layers = [keras.Input((6,)), keras.layers.Dense(units * (9 if self.wide else 1))]
            model = keras.Sequential([*layers, keras.layers.Dense(1)])
            model.compile("adam", "mse", run_eagerly=True)
            return model

    class Widens(Tuner):
        def on_trial_begin(self, trial):
            self.hypermodel.wide = True

        def on_trial_end(self, trial):
            self.hypermodel.wide = False
            super().on_trial_end(trial)

    oracle = EvolutionOracle("val_loss", max_trials=2, seed=0)
    tuner = Widens(Grows(), oracle, budget=Budget(params=40), directory=tmp_path)
    with pytest.raises(RuntimeError, match="the built model breaks the budget: params="):
        tuner.search(**fit)
    assert {r["epochs"] for r in tuner.results()} == {0}


def test_a_budget_that_nothing_meets_is_an_error_that_says_so(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, budget=Budget(params=5))
    with pytest.raises(ValueError, match=r"params=.*5"):
        tuner.search(**fit)
    assert tuner.results() == []


def test_a_subclass_can_train_anything(tmp_path):
    class Quadratic(Tuner):
        def run_trial(self, trial, *args, **kwargs):
            return (trial.hyperparameters.Float("x", -1.0, 1.0) - 0.5) ** 2

    oracle = EvolutionOracle(keras_tuner.Objective("score", "min"), max_trials=10, seed=0)
    tuner = Quadratic(oracle=oracle, directory=tmp_path)
    tuner.search(verbose=0)
    assert len(tuner.results()) == 10
    assert tuner.get_best_trials(1)[0].score < 0.25


class Own(EvolutionOracle):
    """A strategy that no list holds."""


@pytest.mark.parametrize("strategy", [EvolutionOracle, Own, keras_tuner.oracles.RandomSearchOracle])
def test_a_strategy_may_be_a_class(strategy, build, tmp_path):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 7, "directory": tmp_path}
    for first, second in ((build, strategy), (strategy, build)):
        oracle = Tuner(first, second, **settings, project_name="run").oracle
        assert type(oracle) is strategy
        assert (oracle.objective.name, oracle.max_trials, oracle.seed) == ("val_loss", 3, 7)
    with pytest.raises(TypeError, match="the class of either, or the name of a strategy"):
        Tuner(build, int, **settings)
