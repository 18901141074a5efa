"""Bad input is a clear error before the first trial, and leaves a run's folder alone."""

import warnings

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas import oracles
from kerasnas.hypermodels import HyperModel
from kerasnas.oracles import EvolutionOracle
from kerasnas.oracles.engine.objectives import resolve
from kerasnas.tuners import Evolution, Tuner
from kerasnas.tuners.inputs import check_data, check_objective, parse_duration

X, Y = np.zeros((8, 3)), np.zeros((8, 1))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("30m", 1800.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1.5H", 5400.0),
        ("1d 2h", 93600.0),
    ],
)
def test_durations(value, seconds):
    assert parse_duration(value) == seconds


@pytest.mark.parametrize("value", ["", "soon", "2x", "h", "-5", -1, 0, "0s", float("nan")])
def test_what_is_no_duration(value):
    with pytest.raises(ValueError, match="max_time"):
        parse_duration(value)


@pytest.mark.parametrize("value", [True, [60], b"2h"])
def test_types_that_are_no_duration(value):
    with pytest.raises(TypeError, match="max_time"):
        parse_duration(value)


def generator():
    yield X, Y


@pytest.mark.parametrize(
    "fit",
    [
        {"x": X, "y": Y},
        {"x": [X, X], "y": {"a": Y, "b": Y}, "sample_weight": np.zeros(8)},
        {"x": keras.ops.convert_to_tensor(X), "y": Y, "validation_data": (X[:2], Y[:2])},
        {"x": X, "y": Y, "validation_data": (X[:2], Y[:2], np.zeros(2))},
        {"x": generator(), "validation_data": generator()},
    ],
)
def test_data_that_is_fine(fit):
    check_data(fit)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ({"x": X, "y": Y[:7]}, r"len\(x\)=8, len\(y\)=7"),
        ({"x": keras.ops.convert_to_tensor(X), "y": Y[:7]}, r"len\(x\)=8, len\(y\)=7"),
        ({"x": [X, X[:5]], "y": Y}, r"len\(x\[1\]\)=5"),
        ({"x": (X, X[:5]), "y": Y}, r"len\(x\[1\]\)=5"),
        ({"x": {"left": X[:5]}, "y": Y}, r"len\(x\['left'\]\)=5"),
        ({"x": X, "y": Y, "sample_weight": np.zeros(3)}, r"len\(sample_weight\)=3"),
        ({"x": X, "y": Y, "validation_data": (X, Y[:2])}, r"len\(validation_data: y\)=2"),
        ({"x": X, "y": Y, "validation_data": (X,)}, "validation_data"),
        ({"x": X[:0], "y": Y[:0]}, r"empty.*len\(x\)=0"),
        ({"x": X, "y": Y, "validation_data": (X[:0], Y[:0])}, "empty"),
        ({"x": [], "y": Y}, "empty"),
        ({"x": np.array(3.0), "y": Y}, "scalar"),
        ({"x": X, "y": Y, "validation_freq": 2}, "validation_freq=2"),
        ({"y": Y}, "x=None"),
    ],
)
def test_data_that_is_not(fit, message):
    with pytest.raises(ValueError, match=message):
        check_data(fit)


@pytest.mark.parametrize("y", [[0, 1] * 4, [[0.0], [1.0]] * 4])
def test_lists_of_numbers_which_keras_does_not_take(y):
    with pytest.raises(TypeError, match=r"numpy.asarray\(y\)"):
        check_data({"x": X, "y": y})


def small(metrics=(), outputs=1, **kwargs):
    inputs = keras.Input((3,))
    heads = [keras.layers.Dense(1, name=f"out{i}")(inputs) for i in range(outputs)]
    model = keras.Model(inputs, heads if outputs > 1 else heads[0])
    model.compile("sgd", ["mse"] * outputs if outputs > 1 else "mse", metrics=list(metrics))
    return model


def accept(name, model, **fit):
    check_objective(keras_tuner.Objective(name, "min"), model, {"x": X, "y": Y, **fit})


def test_objectives_that_training_reports():
    def spread(y_true, y_pred):
        return keras.ops.max(y_pred) - keras.ops.min(y_pred)

    model = small(["mae", keras.metrics.RootMeanSquaredError(name="rms"), spread])
    for name in ("loss", "mae", "rms", "spread"):
        accept(name, model)
        accept(f"val_{name}", model, validation_split=0.5)
        accept(f"val_{name}", model, validation_data=(X, Y))
    two = small([["mae"], ["mse"]], outputs=2)
    accept("val_out1_loss", two, validation_split=0.5)
    accept("out0_mae", two)


def test_objectives_that_it_does_not():
    model = small(["mae"])
    with pytest.raises(ValueError, match=r"loss, mae, val_loss, val_mae.*'val_accuracy'"):
        accept("val_accuracy", model, validation_split=0.5)
    with pytest.raises(ValueError, match="pass `validation_data`"):
        accept("val_mae", model)
    with pytest.raises(ValueError, match="not compiled"):
        accept("loss", keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
    two = small([["mae"], ["mse"]], outputs=2)
    for wrong in ("val_out2_mae", "val_out0_mse", "val_out1_mae", "val_mae"):
        with pytest.raises(ValueError, match=f"out0_loss, out1_loss, out0_mae, out1_mse.*{wrong}"):
            accept(wrong, two, validation_split=0.5)
    early = keras.callbacks.EarlyStopping("mae")
    with pytest.raises(ValueError, match="'acc'"):
        accept("acc", model, callbacks=[early])


def test_objectives_that_only_training_can_tell():
    class AddsMetric(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = 1.0

    class OwnStep(keras.Model):
        def train_step(self, data):
            return {"mine": 0.0}

    accept("mine", small(), callbacks=[AddsMetric()])
    model = OwnStep()
    model.compile("sgd", "mse")
    accept("mine", model)
    accept("anything", small([lambda y_true, y_pred: 0.0]))
    accept("mae_1", small(["mae", "mae"]))


def test_an_objective_of_no_metric_found_by_training_names_those_there_are(build, fit, tmp_path):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["other"] = 1.0

    oracle = EvolutionOracle(keras_tuner.Objective("mine", "min"), max_trials=2)
    tuner = Tuner(build, oracle, directory=tmp_path)
    with pytest.raises(ValueError, match=r"accuracy.*other.*'mine'"):
        tuner.search(**fit, callbacks=[Adds()])
    assert len(tuner.oracle.trials) == 1


@pytest.mark.parametrize("raw", [False, True])
def test_an_unknown_operation_anywhere_in_the_space_is_named(tmp_path, raw):
    class Deep(HyperModel):
        def body(self, hp, x):
            x = keras.layers.Dense(2)(x) if raw else x
            for i in self.repeat(hp, "depth", 1, 2):
                x = self.choose(hp, f"block_{i}", ["dense", "dens"] if i else ["dense"])(x)
            return x

    with pytest.raises(ValueError, match="Unknown operation 'dens'"):
        Tuner(Deep((3,), 1), objective="loss", directory=tmp_path)


def test_a_build_that_is_broken_is_shown_at_once(tmp_path):
    def broken(hp):
        hp.Int("units", 2, 5)
        raise KeyError("no such layer")

    with pytest.raises(KeyError, match="no such layer") as caught:
        Evolution(broken, "val_loss", 1, directory=tmp_path)
    assert "'units': 2" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match=r"forget to return"):
        Evolution(lambda hp: hp.Int("units", 2, 5) and None, "val_loss", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def compiled_with(*metrics):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(loss="mse", metrics=list(metrics))
    return model


def dice(y_true, y_pred):
    return keras.ops.mean(y_true * y_pred)


@pytest.mark.parametrize("metric", [keras.losses.dice, keras.losses.Dice(), "mae"])
def test_a_metric_that_points_where_its_name_says(metric):
    model = compiled_with(metric)
    name = metric if isinstance(metric, str) else "dice"
    objective = resolve(f"val_{name}")
    assert objective.direction == "min"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_objective(objective, model, {"validation_split": 0.2})


@pytest.mark.parametrize(
    ("metric", "told"),
    [(dice, "does not tell"), (keras.losses.cosine_similarity, "says otherwise")],
)
def test_a_metric_that_may_point_elsewhere_than_its_name_says(metric, told):
    name = metric.__name__
    with pytest.raises(ValueError, match=rf'{told}. Pass kn.Objective\("val_{name}"'):
        check_objective(resolve(f"val_{name}"), compiled_with(metric), {"validation_split": 0.2})
    for direction in ("min", "max") if metric is dice else ("min",):
        given = keras_tuner.Objective(f"val_{name}", direction)
        check_objective(given, compiled_with(metric), {"validation_split": 0.2})


def test_a_search_refuses_it_before_the_first_trial(tmp_path):
    def build(hp):
        hp.Int("units", 1, 2)
        return compiled_with(dice)

    for oracle, limits in (("random", None), ("nsga2", {"dice": 0.5})):
        objective = ["val_loss", "flash"] if limits else "val_dice"
        settings = {"limits": limits} if limits else {}
        made = oracles.make(oracle, objective=objective, max_trials=1, **settings)
        tuner = Tuner(build, made, directory=tmp_path, project_name=oracle)
        with pytest.raises(ValueError, match="is not clear"):
            tuner.search(X, np.eye(2)[[0] * len(X)], validation_split=0.5, verbose=0)
        assert not made.trials


def test_the_worst_is_not_searched_without_a_word():
    """So KerasTuner's own oracles guess it."""
    guessed = keras_tuner.oracles.RandomSearchOracle("val_f1_score", 1).objective
    assert guessed.direction == "min"
    for metric in ("f1_score", keras.metrics.F1Score()):
        with pytest.warns(UserWarning, match="looks for the worst 'val_f1_score'"):
            check_objective(guessed, compiled_with(metric), {"validation_split": 0.2})


def batches(fit, count=2):
    for _ in range(count):
        yield fit["x"], fit["y"]


@pytest.mark.parametrize("name", ["x", "validation_data"])
def test_a_generator_that_one_training_uses_up_is_refused(build, fit, tmp_path, name):
    data = {"x": fit["x"], "y": fit["y"], "validation_data": (fit["x"], fit["y"])}
    data[name] = batches(fit)
    if name == "x":
        del data["y"]
    tuner = Evolution(build, "val_loss", 2, directory=tmp_path)
    with pytest.raises(ValueError, match=f"Argument `{name}` is a generator.*PyDataset.*tf.data"):
        tuner.search(**data, verbose=0)
    assert not tuner.results()


def test_a_generator_for_one_training_and_one_without_end_are_fine(build, fit, tmp_path):
    validation = (fit["x"], fit["y"])
    one = Evolution(build, "val_loss", 1, directory=tmp_path, project_name="one")
    one.search(batches(fit), validation_data=validation, verbose=0)
    assert one.get_best_trials(1)
    endless = Evolution(build, "val_loss", 2, directory=tmp_path, project_name="endless")
    endless.search(batches(fit, 10**9), steps_per_epoch=1, validation_data=validation, verbose=0)
    assert len(endless.get_best_trials(2)) == 2


def test_a_generator_that_has_ended_ends_the_search(build, fit, tmp_path):
    tuner = Evolution(build, "val_loss", 3, directory=tmp_path)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"come to its end.*PyDataset"):
        tuner.search(
            batches(fit, 2), steps_per_epoch=2, validation_data=(fit["x"], fit["y"]), verbose=0
        )
    assert [result["status"] for result in tuner.results()] == ["COMPLETED", "RUNNING"]


def test_the_reason_of_an_error_of_keras_is_kept(build, fit, tmp_path):
    class Broken(keras.layers.Layer):
        def call(self, x):
            raise ValueError("the width is odd")

    def broken(hp):
        model = build(hp)
        if hp.get("units") > 2:
            model = keras.Sequential([*model.layers, Broken()])
            model.compile("sgd", "mse")
        return model

    tuner = Evolution(broken, "val_loss", 6, directory=tmp_path, seed=0)
    tuner.search(**fit)
    messages = {result["message"] for result in tuner.results()}
    assert messages == {None, "ValueError: the width is odd"}
