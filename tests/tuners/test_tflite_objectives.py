"""Searches whose score is that of the file, and recipes as a part of the search."""

import os
import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.data.scoring import Scorer
from kerasnas.export import Interpreter, to_tflite
from kerasnas.tuners import tflite_objectives
from kerasnas.tuners.gate import Gate

FILES = ["val_tflite_accuracy", "tflite_size", "tflite_latency_ms"]


class Halves(keras.layers.Layer):
    """A layer of a script, whose config cannot be read back."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


@pytest.fixture(scope="module")
def halves(data):
    """Arguments of a short `search`, with the two halves of the data as arrays."""
    x, y = data
    return {"x": x[:24], "y": y[:24], "validation_data": (x[24:], y[24:]), "epochs": 2}


def loaded(tuner, trial):
    """Its layers are numbered as in the trial, since their names are in the file."""
    keras.backend.clear_session(free_memory=False)
    return tuner.load_model(trial)


def scored(model, file, x, y):
    return Scorer(model).score(Interpreter(file).predict(x), y)


def test_the_score_is_that_of_the_int8_file(build, halves, tmp_path):
    tuner = kn.NSGA2(build, FILES, max_trials=2, seed=0, directory=tmp_path)
    tuner.search(**halves, verbose=0)
    for trial in tuner.get_best_trials(2):
        model = loaded(tuner, trial)
        file = to_tflite(model, "int8", halves["x"])
        on_file = scored(model, file, *halves["validation_data"])
        on_float = model.evaluate(*halves["validation_data"], verbose=0, return_dict=True)
        found = {name: trial.metrics.get_best_value(name) for name in trial.metrics.metrics}
        assert found["val_tflite_accuracy"] == trial.score == on_file["accuracy"]
        assert found["val_tflite_loss"] == pytest.approx(on_file["loss"])
        assert found["val_tflite_loss"] != found["val_loss"]
        assert found["val_accuracy"] == pytest.approx(on_float["accuracy"])
        assert found["tflite_size"] == len(file)
        assert found["tflite_latency_ms"] > 0
    again = kn.NSGA2(build, FILES, max_trials=2, seed=0, directory=tmp_path)
    assert again.results() == tuner.results()
    # The file of the search is the one that a second look at its trial gives.
    (best,) = again.rerank(1, halves["x"], halves["y"], validation_data=halves["validation_data"])
    assert best["value"] == best["score"]
    trial = again.oracle.get_trial(best["trial_id"])
    assert best["bytes"] == trial.metrics.get_best_value("tflite_size")


def test_executions_are_each_scored_and_averaged(build, halves, tmp_path, monkeypatch):
    values = iter([{"val_tflite_loss": 0.2}, {"val_tflite_loss": 0.6}])
    models = []

    def score(self, model, recipe, names):
        models.append(model.get_weights())
        return next(values)

    monkeypatch.setattr(tflite_objectives.TFLiteScorer, "__call__", score)
    oracle = kn.oracles.RandomOracle("val_tflite_loss", max_trials=1, seed=0)
    tuner = kn.Tuner(build, oracle, executions_per_trial=2, directory=tmp_path)
    tuner.search(**halves, verbose=0)
    assert tuner.results()[0]["score"] == pytest.approx(0.4)
    losses = []
    model = tuner.get_best_models(1)[0]
    kept = model.get_weights()
    for weights in models:
        model.set_weights(weights)
        losses.append(model.evaluate(*halves["validation_data"], verbose=0)[0])
    # Each was scored with its own weights, and those of the better one are kept.
    assert losses[0] != losses[1]
    assert all(np.array_equal(a, b) for a, b in zip(kept, models[np.argmin(losses)], strict=True))
    assert tuner.results()[0]["metrics"]["val_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_what_cannot_be_converted_is_a_failed_trial(halves, tmp_path):
    def build(hp):
        odd = hp.Boolean("odd")
        hidden = Halves(keras.ops.sign) if odd else keras.layers.Dense(2)
        layers = [keras.Input((6,)), hidden, keras.layers.Dense(1, activation="sigmoid")]
        model = keras.Sequential(layers)
        model.compile("sgd", "binary_crossentropy", run_eagerly=True)
        return model

    tuner = kn.Grid(build, "val_tflite_loss", max_trials=2, directory=tmp_path)
    tuner.search(**halves, verbose=0)
    good, bad = sorted(tuner.results(), key=lambda result: result["status"])
    assert (good["status"], bad["status"]) == ("COMPLETED", "FAILED")
    assert bad["values"] == {"odd": True}
    assert "the file of the trained model cannot be made or scored" in bad["message"]
    assert "Halves" in bad["message"]


class Recipe(keras_tuner.HyperModel):
    """Raw layers, and a recipe with a branch, and a value that no step takes."""

    def build(self, hp):
        units = hp.Int("units", 2, 3)
        layers = [keras.Input((6,)), keras.layers.Dense(units), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    def recipe(self, hp):
        bits = hp.Choice("bits", ["int8", "float16", "int1"])
        with hp.conditional_scope("bits", ["int8"]):
            if bits == "int8":
                hp.Int("epochs", 1, 2)
        return [kn.Quantize(bits, method="ptq")]


class Layerwise(kn.LayerwiseHyperModel):
    """Sketched; of the values, the recipe reads `sparsity`."""

    def __init__(self):
        super().__init__((8, 8, 1), 3, stages=[(4, 8)], blocks=(1, 2))

    def recipe(self, hp):
        return [kn.Prune(hp.Choice("sparsity", [0.3, 0.8])), kn.Quantize("int8")]


@pytest.mark.parametrize(
    ("hypermodel", "name", "values"),
    [(Recipe, "bits", ["int8", "float16"]), (Layerwise, "sparsity", [0.3, 0.8])],
)
def test_what_a_recipe_reads_is_a_part_of_the_space(hypermodel, name, values, tmp_path):
    tuner = kn.Random(hypermodel(), "val_tflite_loss", max_trials=2, directory=tmp_path)
    names = [parameter.name for parameter in tuner.oracle.get_space().space]
    assert name in names
    assert ("epochs" in names) == (hypermodel is Recipe)
    defaults = dict(tuner.oracle.get_space().values)
    space = tuner.oracle.get_space()
    gate = Gate(hypermodel(), lambda: space)
    keys = {gate.key({**defaults, name: value}) for value in values}
    assert len(keys) == 2
    assert gate.key({**defaults, name: values[0]}) in keys


def test_a_recipe_makes_the_file_that_is_scored(halves, tmp_path):
    tuner = kn.Random(Recipe(), "val_tflite_loss", max_trials=2, seed=0, directory=tmp_path)
    for bits in ("float16", "int1"):
        tuner.enqueue({"bits": bits})
    tuner.search(**halves, verbose=0)
    good, bad = tuner.results()
    model = loaded(tuner, tuner.oracle.get_trial(good["trial_id"]))
    file = to_tflite(model, "float16")
    assert good["metrics"]["tflite_size"] == len(file)
    found = scored(model, file, *halves["validation_data"])["loss"]
    assert good["score"] == pytest.approx(found, rel=1e-5)
    assert bad["status"] == "FAILED"
    assert "recipe of the hypermodel cannot be made: `Quantize(bits=...)`" in bad["message"]
    assert bad["epochs"] is None  # It was not trained.


def test_a_recipe_without_a_file_is_an_early_error(tmp_path):
    with pytest.raises(ValueError, match=r"Recipe\.recipe has no effect.*val_tflite.*rerank"):
        kn.Random(Recipe(), "val_loss", max_trials=1, directory=tmp_path)
    # One that is scored by its size alone has an effect.
    kn.NSGA2(Recipe(), ["val_loss", "tflite_size"], max_trials=2, directory=tmp_path)


def test_a_recipe_that_is_none_is_an_early_error(halves, tmp_path):
    class Empty(Recipe):
        def recipe(self, hp):
            return []

    tuner = kn.Random(Empty(), "val_tflite_loss", max_trials=1, directory=tmp_path)
    with pytest.raises(ValueError, match="`recipe` must be a list of at least one step"):
        tuner.search(**halves)


def test_asha_and_sums_of_objectives_are_refused_early(build, tmp_path):
    with pytest.raises(ValueError, match=r"ASHAOracle judges a training while it runs.*rerank"):
        kn.ASHA(build, "val_tflite_accuracy", max_epochs=4, max_trials=2, directory=tmp_path)
    several = [keras_tuner.Objective(name, "min") for name in ("val_tflite_loss", "tflite_size")]
    oracle = keras_tuner.oracles.RandomSearchOracle(several, max_trials=1)
    with pytest.raises(ValueError, match=r"need an oracle of kerasnas\.oracles"):
        kn.Tuner(build, oracle, directory=tmp_path)
    with pytest.raises(ValueError, match="must have a metric"):
        kn.Random(build, "tflite_size", max_trials=1, directory=tmp_path)


def test_bad_data_and_metrics_are_early_errors(build, halves, tmp_path):
    def search(objective="val_tflite_loss", hypermodel=build, **changes):
        tuner = kn.Random(hypermodel, objective, max_trials=1, directory=tmp_path, overwrite=True)
        tuner.search(**{**halves, **changes})

    with pytest.raises(ValueError, match=r"validation_data.*Received: neither"):
        search(validation_data=None)
    with pytest.raises(ValueError, match="must be arrays, or a data set that can be read again"):
        search(validation_data=iter([halves["validation_data"]]))
    with pytest.raises(ValueError, match=r"metric of the compiled model.*'val_tflite_mae'"):
        search(keras_tuner.Objective("val_tflite_mae", "min"))

    class Subclass(keras.Model):
        def call(self, x):
            return x

    def subclass(hp):
        model = Subclass()
        model.compile("sgd", "mse")
        model.build((None, 6))
        return model

    with pytest.raises(ValueError, match=r"must be Sequential or Functional.*Subclass"):
        search(hypermodel=subclass)


@pytest.mark.slow
def test_hyperband_scores_the_file_at_the_end_of_each_rung(build, halves, tmp_path):
    settings = {"max_epochs": 4, "factor": 2, "min_epochs": 1, "seed": 0}
    tuner = kn.Hyperband(build, "val_tflite_loss", directory=tmp_path, **settings)
    tuner.search(**{**halves, "epochs": 4}, verbose=0)
    results = tuner.results()
    assert any("tuner/trial_id" in result["values"] for result in results)
    assert all(result["score"] == result["metrics"]["val_tflite_loss"] for result in results)


JAX = """
import sys
import numpy as np
import keras, keras_tuner
import kerasnas as kn

assert not {"tensorflow", "tf_keras"} & set(sys.modules)
rng = np.random.default_rng(0)
x, y = rng.random((32, 6), dtype="float32"), rng.integers(0, 3, 32)

class Small(keras_tuner.HyperModel):
    def build(self, hp):
        layers = [keras.Input((6,)), keras.layers.Dense(hp.Int("units", 2, 9), "relu"),
                  keras.layers.Dense(3, "softmax")]
        model = keras.Sequential(layers)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def recipe(self, hp):
        return [kn.Quantize("int8", method=hp.Choice("method", ["ptq", "qat"]), epochs=1)]

tuner = kn.Random(Small(), "val_tflite_accuracy", max_trials=2, seed=0, directory=sys.argv[1])
assert not {"tensorflow", "tf_keras"} & set(sys.modules)
tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
assert [row["message"] for row in tuner.results()] == [None, None]
best, = tuner.rerank(1, x, y, validation_data=(x, y))
assert best["value"] == best["score"], best
"""


@pytest.mark.slow
def test_files_are_scored_under_another_backend(tmp_path):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", JAX, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_training_of_a_recipe_weighs_samples(rng):
    x = rng.normal(size=(128, 8)).astype("float32")
    y = x[:, :1] + np.tile([[0.0], [50.0]], (64, 1)).astype("float32")
    weights = np.tile([1.0, 0.0], 64)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu")])
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse", weighted_metrics=["mae"])
    fit = {"sample_weight": weights, "validation_data": (x, y, weights)}
    score = tflite_objectives.TFLiteScorer.of_fit((x, y), fit, trains=True, seed=0)
    found = score(model, [kn.Quantize(epochs=30, learning_rate=0.01)], [])
    assert found["val_tflite_mae"] < 1, "every second sample would take the outputs to 25"
