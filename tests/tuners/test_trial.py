"""One trial: its seed, its callbacks, its checkpoint, and what a promoted one starts from."""

import gc
import random
import weakref

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import EvolutionOracle
from kerasnas.training.flat_optimizer import FlatOptimizer
from kerasnas.tuners import Tuner


def tuner_of(build, tmp_path, *, max_trials=1, name="run", **kwargs):
    oracle = EvolutionOracle("val_loss", max_trials=max_trials, seed=3)
    return Tuner(build, oracle, directory=tmp_path, project_name=name, **kwargs)


def scores(tuner):
    return [result["score"] for result in tuner.results()]


def test_the_same_seed_gives_the_same_scores_and_another_one_does_not(build, fit, tmp_path):
    runs = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        tuner = tuner_of(build, tmp_path, max_trials=2, name=name, seed=seed)
        tuner.search(**fit)
        runs.append(tuner)
    assert scores(runs[0]) == scores(runs[1])
    assert scores(runs[0]) != scores(runs[2])
    assert [r["values"] for r in runs[0].results()] == [r["values"] for r in runs[2].results()]


def test_the_random_state_of_python_and_numpy_is_left_as_it_was(build, fit, tmp_path):
    drawn = []

    class Draws(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Int("units", 1, 9)
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            drawn.append((random.random(), np.random.rand()))  # noqa: NPY002
            return model.fit(*args, **kwargs)

    tuner = tuner_of(Draws(), tmp_path)
    python, numpy = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    tuner.search(**fit)
    tuner.enqueue({"units": 3})
    tuner.get_best_models()
    first = list(drawn)
    assert random.getstate() == python
    assert np.random.get_state()[1].tolist() == numpy  # noqa: NPY002
    random.random()
    np.random.rand()  # noqa: NPY002
    tuner_of(Draws(), tmp_path, name="again").search(**fit)
    assert drawn[1:] == first


@pytest.mark.parametrize("callbacks", [None, [], keras.callbacks.EarlyStopping("val_loss")])
def test_callbacks_may_be_none_or_one(build, fit, tmp_path, callbacks):
    tuner = tuner_of(build, tmp_path)
    tuner.search(**fit, callbacks=callbacks)
    assert [r["status"] for r in tuner.results()] == ["COMPLETED"]


def test_hooks_of_a_subclass_are_called(build, fit, tmp_path):
    epochs = []

    class Hooks(Tuner):
        def on_epoch_end(self, trial, model, epoch, logs=None):
            epochs.append((trial.trial_id, epoch, "val_loss" in logs))

    oracle = EvolutionOracle("val_loss", max_trials=2, seed=0)
    Hooks(build, oracle, directory=tmp_path).search(**fit)
    assert epochs == [("0", 0, True), ("0", 1, True), ("1", 0, True), ("1", 1, True)]


def test_executions_differ_and_the_score_is_their_mean(build, fit, tmp_path):
    best = []

    class Notes(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            history = model.fit(*args, **kwargs)
            best.append(min(history.history["val_loss"]))
            return history

    tuner = tuner_of(Notes(), tmp_path, executions_per_trial=2)
    tuner.search(**fit)
    assert best[0] != best[1]
    assert scores(tuner)[0] == pytest.approx(np.mean(best), rel=1e-6)
    x, y = fit["x"][36:], fit["y"][36:]
    loss = tuner.get_best_models()[0].evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(best), rel=1e-5)


def test_the_checkpoint_is_of_the_best_epoch_not_of_the_last(build, fit, tmp_path):
    def diverges(hp):
        model = build(hp)
        model.compile(keras.optimizers.SGD(30.0), "binary_crossentropy", run_eagerly=True)
        return model

    losses = []

    class Notes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            losses.append(logs["val_loss"])

    tuner = tuner_of(diverges, tmp_path)
    tuner.search(**{**fit, "epochs": 6}, callbacks=[Notes()])
    best = int(np.argmin(losses))
    assert best < 5
    assert tuner.results()[0]["best_step"] == best
    x, y = fit["x"][36:], fit["y"][36:]
    loss = tuner.get_best_models()[0].evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(losses[best], rel=1e-5)


def test_models_that_fit_builds_are_scored_and_loaded_too(fit, tmp_path):
    def unbuilt(hp):
        layers = [keras.layers.Dense(hp.Int("units", 2, 5)), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("adam", "mse", run_eagerly=True)
        return model

    tuner = tuner_of(unbuilt, tmp_path)
    tuner.search(**fit)
    x, y = fit["x"][36:], fit["y"][36:]
    loss = tuner.get_best_models()[0].evaluate(x, y, verbose=0)
    assert loss == pytest.approx(scores(tuner)[0], rel=1e-5)


def test_subclassed_models_are_scored_and_loaded_too(fit, tmp_path):
    class Two(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.hidden = keras.layers.Dense(units)
            self.last = keras.layers.Dense(1, activation="sigmoid")

        def call(self, x):
            return self.last(self.hidden(x))

    def subclassed(hp):
        model = Two(hp.Int("units", 1, 5))
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    tuner = tuner_of(subclassed, tmp_path)
    tuner.search(**fit)
    x, y = fit["x"][36:], fit["y"][36:]
    model = tuner.get_best_models()[0]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(scores(tuner)[0], rel=1e-5)
    assert int(model.optimizer.iterations) > 0


def test_a_missing_or_torn_checkpoint_is_named(build, fit, tmp_path):
    tuner = tuner_of(build, tmp_path)
    tuner.search(**fit)
    path = tmp_path / "run" / "trial_0" / "checkpoint.weights.h5"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=str(path)):
        tuner.get_best_models()
    path.unlink()
    with pytest.raises(ValueError, match=r"left no checkpoint.*callbacks"):
        tuner.get_best_models()


def test_no_temporary_file_is_left(build, fit, tmp_path):
    tuner_of(build, tmp_path).search(**fit)
    assert [p.name for p in tmp_path.rglob("*") if "tmp" in p.name] == []


def test_a_promoted_trial_goes_on_with_the_optimizer_of_its_parent(build, data, tmp_path):
    """KerasTuner loses Adam's moments and step count here."""
    x, y = data

    class Promotes(EvolutionOracle):
        def populate_space(self, trial_id):
            response = super().populate_space(trial_id)
            values = {"units": 4, "act": "relu", "rate": 0.0}
            first = {"tuner/epochs": 2, "tuner/initial_epoch": 0}
            then = {"tuner/epochs": 5, "tuner/initial_epoch": 2, "tuner/trial_id": "0"}
            response["values"] = {**values, **(first if trial_id == "0" else then)}
            return response

    def with_adam(hp):
        model = build(hp)
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    seen = []

    class Notes(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            optimizer = self.model.optimizer
            moments = [np.array(v) for v in optimizer.variables[2:]]
            seen.append((int(optimizer.iterations), moments, self.model.get_weights()))

        def on_epoch_end(self, epoch, logs=None):
            self.on_train_begin()

    oracle = Promotes("loss", max_trials=2, seed=0)
    tuner = Tuner(with_adam, oracle, directory=tmp_path)
    tuner.search(x, y, batch_size=16, verbose=0, epochs=50, callbacks=[Notes()])
    steps = [iterations for iterations, _, _ in seen]
    assert steps == [0, 3, 6, 6, 9, 12, 15]
    parent, child = seen[2], seen[3]
    for before, after in zip(parent[1] + parent[2], child[1] + child[2], strict=True):
        np.testing.assert_array_equal(before, after)
    assert any(moment.any() for moment in child[1])
    assert tuner.results()[1]["epochs"] == 3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="on TensorFlow only")
def test_fast_steps_lead_to_the_same_scores_weights_and_moments(data, tmp_path):
    seen = []

    class Notes(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(isinstance(self.model.optimizer, FlatOptimizer))

    def build(hp):
        layers = [
            keras.layers.Dense(hp.Int("units", 3, 5), use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile("adam", "binary_crossentropy")
        return model

    x, y = data
    found = []
    for fast in (True, False):
        tuner = tuner_of(build, tmp_path, name=f"fast_{fast}", max_trials=2, fast_steps=fast)
        fit = {"validation_split": 0.25, "epochs": 3, "batch_size": 16, "verbose": 0}
        tuner.search(x, y, **fit, callbacks=[Notes()])
        (best,) = tuner.get_best_models(1)
        state = [np.array(one) for one in (*best.weights, *best.optimizer.variables)]
        found.append((scores(tuner), state))
    assert seen == [True, True, False, False]
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_a_fit_of_the_users_own_has_the_plain_optimizer(fit, build, tmp_path):
    seen = []

    class Own(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            seen.append(type(model.optimizer))
            return model.fit(*args, **kwargs)

    tuner_of(Own(), tmp_path).search(**fit)
    assert seen == [keras.optimizers.SGD]


def test_a_model_is_freed_before_the_next_trial(build, fit, tmp_path):
    gc.unfreeze()  # A search leaves frozen what somebody else has frozen.
    models, alive = [], []

    class Notes(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            alive.append(sum(ref() is not None for ref in models))
            models.append(weakref.ref(model))
            return model.fit(*args, **kwargs)

    tuner_of(Notes(), tmp_path, max_trials=3).search(**fit)
    assert alive == [0, 0, 0]
    assert gc.get_freeze_count() == 0


def test_the_default_dtype_policy_outlives_a_trial(build, fit, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        tuner_of(build, tmp_path).search(**fit)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


class Plays(keras.Model):
    """Has a `fit` of its own, which takes no data, and is never compiled."""

    def __init__(self, units):
        super().__init__()
        self.dense = keras.layers.Dense(units)
        self.optimizer = "mine"

    def call(self, x):
        return self.dense(x)

    def fit(self, rounds, callbacks=(), **kwargs):
        for callback in callbacks:
            callback.set_model(self)
        losses = []
        for epoch in range(rounds):
            losses.append(float(np.abs(self(np.ones((1, 3)))).sum()))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"loss": losses[-1]})
        return {"loss": min(losses)}


def test_a_model_with_a_fit_of_its_own_takes_any_arguments(tmp_path):
    oracle = EvolutionOracle(keras_tuner.Objective("loss", "min"), max_trials=2, seed=0)
    tuner = Tuner(lambda hp: Plays(hp.Int("units", 1, 4)), oracle, directory=tmp_path)
    for _ in range(2):
        tuner.search(rounds=2, verbose=0)
    assert {result["status"] for result in tuner.results()} == {"COMPLETED"}
    assert tuner.get_best_models()[0](np.ones((1, 3))).shape[0] == 1
