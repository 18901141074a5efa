"""The programs of KerasTuner's guides run with one line changed: what they import.

Each is a guide's, shortened and on tiny data: getting started, tailor the search space, custom
training loops, custom tuners, failed trials, visualize the tuning, distributed tuning.
"""

import os

import keras
import numpy as np
import pytest
from keras import layers

import kerasnas as keras_tuner

RNG = np.random.default_rng(0)
X, Y = RNG.random((32, 6, 6, 1), dtype="float32"), RNG.integers(0, 10, 32)
XV, YV = RNG.random((16, 6, 6, 1), dtype="float32"), RNG.integers(0, 10, 16)
ROW, TARGET = RNG.random((32, 5), dtype="float32"), RNG.random((32, 1), dtype="float32")
ROW_V, TARGET_V = ROW[:8], TARGET[:8]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def classifier(hp):
    """Flattens without being told the shape of its input, as the guides do."""
    model = keras.Sequential([layers.Flatten()])
    for i in range(hp.Int("num_layers", 1, 2)):
        model.add(
            layers.Dense(
                units=hp.Int(f"units_{i}", min_value=4, max_value=12, step=4),
                activation=hp.Choice("activation", ["relu", "tanh"]),
            )
        )
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(rate=0.25))
    model.add(layers.Dense(10, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


def regressor(hp, metrics=()):
    model = keras.Sequential(
        [layers.Dense(hp.Int("units", 4, 16, 4), activation="relu"), layers.Dense(1)]
    )
    model.compile("adam", "mean_squared_error", metrics=list(metrics), run_eagerly=True)
    return model


def test_a_first_search(capsys):
    assert classifier(keras_tuner.HyperParameters()).compiled
    tuner = keras_tuner.RandomSearch(
        hypermodel=classifier,
        objective="val_accuracy",
        max_trials=3,
        executions_per_trial=2,
        overwrite=True,
        directory="my_dir",
        project_name="helloworld",
    )
    tuner.search_space_summary()
    tuner.search(X, Y, epochs=1, validation_data=(XV, YV))
    best = tuner.get_best_models(num_models=2)[0]
    best.build(input_shape=(None, 6, 6, 1))
    assert best.predict(XV, verbose=0).shape == (16, 10)
    tuner.results_summary()
    assert os.path.exists("my_dir/helloworld")
    best_hps = tuner.get_best_hyperparameters(5)
    assert len(best_hps) == 3
    classifier(best_hps[0]).fit(X, Y, verbose=0)
    assert "Results summary" in capsys.readouterr().out


class Cropped(keras_tuner.HyperModel):
    """Tunes the size of the image in `build`, and reads it again in `fit`."""

    def build(self, hp):
        size = hp.Int("image_size", 3, 6)
        inputs = keras.Input((size, size, 1))
        x = layers.Dense(hp.Int("units", 4, 12, step=4), activation="relu")(
            layers.Flatten()(inputs)
        )
        model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
        model.compile(
            "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
        )
        return model

    def fit(self, hp, model, x, y, validation_data=None, **kwargs):
        if hp.Boolean("normalize"):
            x = layers.Normalization()(x)
        size = hp.get("image_size")
        if validation_data:
            xv, yv = validation_data
            validation_data = xv[:, :size, :size], yv
        return model.fit(
            x[:, :size, :size],
            y,
            shuffle=hp.Boolean("shuffle"),
            validation_data=validation_data,
            **kwargs,
        )


def test_training_and_data_are_tuned():
    tuner = keras_tuner.RandomSearch(
        Cropped(), objective="val_accuracy", max_trials=3, seed=1, project_name="hypermodel"
    )
    tuner.search(X, Y, epochs=1, validation_data=(XV, YV), verbose=0)
    best = tuner.get_best_hyperparameters()[0]
    assert {*best.values} == {"image_size", "units", "normalize", "shuffle"}
    hypermodel = Cropped()
    model = hypermodel.build(best)
    hypermodel.fit(best, model, X, Y, epochs=1, verbose=0)


def test_metrics_as_objectives():
    class Squares(keras.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(name="custom_metric", **kwargs)
            self.total = self.add_weight(name="total", initializer="zeros")
            self.count = self.add_weight(name="count", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(keras.ops.sum(keras.ops.square(y_pred - y_true)))
            self.count.assign_add(keras.ops.cast(keras.ops.shape(y_true)[0], "float32"))

        def result(self):
            return self.total / self.count

    for name, make in (
        ("val_mean_absolute_error", keras.metrics.MeanAbsoluteError),
        ("val_custom_metric", Squares),
    ):
        tuner = keras_tuner.RandomSearch(
            hypermodel=lambda hp, make=make: regressor(hp, [make()]),
            objective=keras_tuner.Objective(name, direction="min"),
            max_trials=2,
            overwrite=True,
            project_name=name,
        )
        tuner.search(x=ROW, y=TARGET, validation_data=(ROW_V, TARGET_V), verbose=0)
        assert tuner.oracle.get_best_trials()[0].score >= 0


@pytest.mark.parametrize("objective", [None, keras_tuner.Objective("metric_a", "max")])
def test_a_fit_returns_what_it_has_measured(objective):
    class Measured(keras_tuner.HyperModel):
        def build(self, hp):
            return regressor(hp)

        def fit(self, hp, model, x, y, validation_data, **kwargs):
            model.fit(x, y, **kwargs)
            x_val, y_val = validation_data
            error = np.mean(np.abs(model.predict(x_val, verbose=0) - y_val))
            return error if objective is None else {"metric_a": -error, "metric_b": error**2}

    settings = {} if objective is None else {"objective": objective}
    tuner = keras_tuner.RandomSearch(
        hypermodel=Measured(), max_trials=2, overwrite=True, project_name="eval", **settings
    )
    tuner.search(x=ROW, y=TARGET, validation_data=(ROW_V, TARGET_V), verbose=0)
    assert len(tuner.get_best_models(2)) == 2


def test_any_function_is_tuned():
    class MyTuner(keras_tuner.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            x = trial.hyperparameters.Float("x", min_value=-1.0, max_value=1.0)
            return x * x + 1

    tuner = MyTuner(max_trials=20, overwrite=True, directory="my_dir", project_name="anything")
    tuner.search()
    assert len(tuner.oracle.trials) == 20
    assert abs(tuner.get_best_hyperparameters()[0].get("x")) < 0.3


def test_keras_code_that_stays_as_it_is():
    def train(units, optimizer, saving_path):
        model = keras.Sequential([layers.Dense(units, activation="relu"), layers.Dense(1)])
        model.compile(optimizer, "mean_squared_error", run_eagerly=True)
        model.fit(ROW, TARGET, verbose=0)
        model.save(saving_path)
        return np.mean(np.abs(model.predict(ROW_V, verbose=0) - TARGET_V))

    class MyTuner(keras_tuner.RandomSearch):
        def run_trial(self, trial, **kwargs):
            hp = trial.hyperparameters
            return train(
                units=hp.Int("units", 4, 16, 4),
                optimizer=hp.Choice("optimizer", ["adam", "adadelta"]),
                saving_path=f"{trial.trial_id}.keras",
            )

    tuner = MyTuner(max_trials=2, overwrite=True, project_name="separate")
    tuner.search()
    best = tuner.get_best_hyperparameters()[0]
    train(**best.values, saving_path="best.keras")
    assert os.path.exists("best.keras")


def test_a_training_loop_of_ones_own():
    class Loop(keras_tuner.HyperModel):
        def build(self, hp):
            inputs = keras.Input((6, 6, 1))
            x = layers.Dense(hp.Choice("units", [4, 8]), activation="relu")(
                layers.Flatten()(inputs)
            )
            return keras.Model(inputs, layers.Dense(10)(x))  # Not compiled.

        def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
            batch_size = hp.Int("batch_size", 8, 16, step=8, default=16)
            rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
            optimizer = keras.optimizers.Adam(rate)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            mean = keras.metrics.Mean()
            optimizer.build(model.trainable_variables)
            for callback in callbacks:
                callback.set_model(model)
            best = float("inf")
            for epoch in range(2):
                for start in range(0, len(x), batch_size):
                    model(x[start : start + batch_size])
                    optimizer.apply([0.01 * v for v in model.trainable_variables])
                mean.update_state(loss(validation_data[1], model(validation_data[0])))
                reached = float(mean.result())
                for callback in callbacks:
                    callback.on_epoch_end(epoch, logs={"my_metric": reached})
                mean.reset_state()
                best = min(best, reached)
            return best

    tuner = keras_tuner.RandomSearch(
        objective=keras_tuner.Objective("my_metric", "min"),
        max_trials=2,
        hypermodel=Loop(),
        directory="results",
        project_name="custom_training",
        overwrite=True,
    )
    tuner.search(x=X, y=Y, validation_data=(XV, YV))
    assert {"units", "batch_size", "learning_rate"} == {*tuner.get_best_hyperparameters()[0].values}
    assert tuner.get_best_models()[0].predict(XV, verbose=0).shape == (16, 10)


def test_a_tuner_that_reports_by_itself():
    """The older form of the guide: `on_epoch_end`, or `update_trial` and `save_model`."""

    class MyTuner(keras_tuner.Tuner):
        def run_trial(self, trial, train_data):
            hp = trial.hyperparameters
            model = self.hypermodel.build(hp)
            batch_size = hp.Int("batch_size", 8, 16, step=8, default=16)
            for epoch in range(2):
                self.on_epoch_begin(trial, model, epoch, logs={})
                model.fit(*train_data, batch_size=batch_size, verbose=0)
                loss = model.evaluate(*train_data, verbose=0)
                self.on_epoch_end(trial, model, epoch, logs={"loss": loss})
            self.oracle.update_trial(trial.trial_id, {"loss": loss})

    tuner = MyTuner(
        oracle=keras_tuner.oracles.BayesianOptimizationOracle(
            objective=keras_tuner.Objective("loss", "min"), max_trials=2
        ),
        hypermodel=regressor,
        directory="results",
        project_name="custom_tuner",
    )
    tuner.search(train_data=(ROW, TARGET))
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 2
    assert "batch_size" in tuner.get_best_hyperparameters()[0].values


def test_what_a_trial_is_trained_with_is_tuned_around_ours():
    """What scripts do most: `run_trial` sets arguments of `fit` and calls that of its class."""

    class MyTuner(keras_tuner.tuners.BayesianOptimization):
        def __init__(self, most, *args, **kwargs):
            self.most, self.seen = most, []
            super().__init__(*args, **kwargs)

        def run_trial(self, trial, *args, **kwargs):
            kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 8, 16, step=8)
            kwargs["epochs"] = trial.hyperparameters.Int("epochs", 1, self.most)
            return super().run_trial(trial, *args, **kwargs)

        def on_epoch_end(self, trial, model, epoch, logs=None):
            self.seen.append(epoch)

    tuner = MyTuner(2, regressor, objective="val_loss", max_trials=3, overwrite=True, seed=0)
    tuner.search(ROW, TARGET, validation_split=0.25, verbose=0)
    trials = tuner.oracle.trials.values()
    assert {*tuner.get_best_hyperparameters()[0].values} == {"units", "batch_size", "epochs"}
    assert len(tuner.seen) == sum(trial.hyperparameters.get("epochs") for trial in trials)
    best = tuner.oracle.get_best_trials(1)[0]
    assert best.metrics.get_history("val_loss")[0].step == best.best_step
    assert tuner.load_model(best).count_params() == tuner.get_best_models()[0].count_params()


def test_models_of_scikit_learn():
    from sklearn import datasets, linear_model, metrics, model_selection, tree

    def build(hp):
        if hp.Choice("model_type", ["tree", "ridge"]) == "tree":
            return tree.DecisionTreeClassifier(max_depth=hp.Int("max_depth", 1, 3))
        return linear_model.RidgeClassifier(alpha=hp.Float("alpha", 1e-3, 1, sampling="log"))

    tuner = keras_tuner.tuners.SklearnTuner(
        oracle=keras_tuner.oracles.BayesianOptimizationOracle(
            objective=keras_tuner.Objective("score", "max"), max_trials=4, seed=0
        ),
        hypermodel=build,
        scoring=metrics.make_scorer(metrics.accuracy_score),
        cv=model_selection.StratifiedKFold(3),
        project_name="sklearn",
    )
    x, y = datasets.load_iris(return_X_y=True)
    tuner.search(x, y)
    assert tuner.get_best_models(num_models=1)[0].score(x, y) > 0.8


def test_a_base_tuner_tunes_anything():
    class Anything(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, function):
            return {"score": function(trial.hyperparameters.Choice("n", [1, 2, 3]))}

    oracle = keras_tuner.oracles.GridSearchOracle(objective=keras_tuner.Objective("score", "max"))
    tuner = Anything(oracle=oracle, project_name="anything")
    tuner.search(lambda n: -n)
    assert len(oracle.trials) == 3
    assert tuner.get_best_hyperparameters()[0].get("n") == 1


@pytest.mark.parametrize(
    ("error", "runs"), [(ValueError, 4), (keras_tuner.errors.FailedTrialError, 1)]
)
def test_failed_trials_are_tolerated(error, runs, capsys):
    builds = []

    def build(hp):
        first, second = hp.Int("units_1", 10, 20, step=10), hp.Int("units_2", 10, 20, step=10)
        model = keras.Sequential(
            [keras.Input((5,)), layers.Dense(first), layers.Dense(second), layers.Dense(1)]
        )
        model.compile(loss="mse", run_eagerly=True)
        if model.count_params() > 320:
            builds.append((first, second))
            raise error(f"Model too large! It contains {model.count_params()} params.")
        return model

    tuner = keras_tuner.GridSearch(
        hypermodel=build,
        objective="val_loss",
        overwrite=True,
        max_retries_per_trial=3,
        max_consecutive_failed_trials=8,
    )
    builds.clear()
    tuner.search(x=ROW, y=TARGET, validation_data=(ROW_V, TARGET_V), epochs=1)
    tuner.results_summary()
    statuses = sorted(trial.status for trial in tuner.oracle.trials.values())
    assert statuses == ["COMPLETED"] * 2 + ["FAILED"] * 2
    assert capsys.readouterr().out.count("Model too large") >= 2
    # Beside the trials, the network is built once to find out what it is.
    tried = tuner.oracle.trials.values()
    assert sum(tuner.oracle.runs(one.trial_id) for one in tried if one.score is None) == 2 * runs


def test_a_fatal_error_ends_the_search():
    def build(hp):
        units = hp.Int("units", 10, 20, step=10)
        if units > 10:
            raise keras_tuner.errors.FatalError("Model too large!")
        return regressor(hp)

    tuner = keras_tuner.GridSearch(hypermodel=build, objective="val_loss", overwrite=True)
    with pytest.raises(keras_tuner.errors.FatalError, match="too large"):
        tuner.search(x=ROW, y=TARGET, validation_data=(ROW_V, TARGET_V), epochs=1)


def test_a_few_are_searched_and_the_rest_is_fixed(capsys):
    hp = keras_tuner.HyperParameters()
    hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    tuner = keras_tuner.RandomSearch(
        hypermodel=classifier,
        hyperparameters=hp,
        tune_new_entries=False,
        objective="val_accuracy",
        max_trials=2,
        project_name="a_few",
    )
    tuner.search(X, Y, epochs=1, validation_data=(XV, YV), verbose=0)
    tuner.search_space_summary()
    assert "Default search space size: 1" in capsys.readouterr().out
    assert {*tuner.get_best_hyperparameters()[0].values} >= {"lr"}

    hp = keras_tuner.HyperParameters()
    hp.Fixed("lr", value=1e-4)
    tuner = keras_tuner.RandomSearch(
        classifier,
        hyperparameters=hp,
        tune_new_entries=True,
        objective="val_accuracy",
        max_trials=2,
        project_name="the_rest",
    )
    tuner.search(X, Y, epochs=1, validation_data=(XV, YV), verbose=0)
    assert all(t.hyperparameters.get("lr") == 1e-4 for t in tuner.oracle.trials.values())


def test_compile_arguments_are_overridden():
    tuner = keras_tuner.RandomSearch(
        classifier,
        optimizer=keras.optimizers.Adam(1e-3),
        loss="mse",
        metrics=["sparse_categorical_crossentropy"],
        objective="val_loss",
        max_trials=2,
        overwrite=True,
        directory="my_dir",
        project_name="override_compile",
    )
    tuner.search(X, Y[:, None], epochs=1, validation_data=(XV, YV[:, None]), verbose=0)
    best = tuner.get_best_models()[0]
    assert best.loss == "mse"
    assert float(best.optimizer.learning_rate) == pytest.approx(1e-3)


def test_it_is_shown_in_tensorboard():
    def build(hp):
        """A plain `if` around hyperparameters, without a conditional scope."""
        inputs = x = keras.Input((6, 6, 1))
        if hp.Choice("model_type", ["mlp", "cnn"]) == "mlp":
            x = layers.Flatten()(x)
            for i in range(hp.Int("mlp_layers", 1, 2)):
                x = layers.Dense(hp.Int(f"units_{i}", 4, 8, step=4), activation="relu")(x)
        else:
            for i in range(hp.Int("cnn_layers", 1, 2)):
                x = layers.Conv2D(hp.Int(f"filters_{i}", 2, 4, step=2), 2)(x)
            x = layers.Flatten()(x)
        model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
        model.compile(
            "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
        )
        return model

    hp = keras_tuner.HyperParameters()
    hp.values["model_type"] = "cnn"
    assert build(hp)(X).shape == (32, 10)
    tuner = keras_tuner.RandomSearch(
        build, max_trials=3, overwrite=True, objective="val_accuracy", directory="tb", seed=0
    )
    tuner.search(
        X, Y, validation_split=0.25, epochs=1, callbacks=[keras.callbacks.TensorBoard("tb_logs")]
    )
    assert sorted(os.listdir("tb_logs")) == ["0", "1", "2"]


def test_data_parallelism():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow's strategies need its backend")
    tuner = keras_tuner.Hyperband(
        hypermodel=regressor,
        objective="val_loss",
        max_epochs=2,
        factor=3,
        hyperband_iterations=1,
        distribution_strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
        directory="results_dir",
        project_name="rows",
        overwrite=True,
    )
    tuner.search(
        ROW,
        TARGET,
        validation_data=(ROW_V, TARGET_V),
        callbacks=[keras.callbacks.EarlyStopping("val_loss")],
        verbose=0,
    )
    assert tuner.get_best_trials(1)


def test_a_ready_made_hypermodel():
    from kerasnas.applications import HyperXception

    hp = keras_tuner.HyperParameters()
    hp.Choice("learning_rate", values=[1e-2, 1e-3])
    tuner = keras_tuner.RandomSearch(
        HyperXception(input_shape=(28, 28, 1), classes=10),
        hyperparameters=hp,
        tune_new_entries=False,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        objective="val_accuracy",
        max_trials=1,
    )
    assert [one.name for one in tuner.oracle.get_space().space] == ["learning_rate"]
    model = tuner.hypermodel.build(tuner.oracle.get_space())
    assert model.output_shape == (None, 10)
