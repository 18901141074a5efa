"""The search: what ends it, what does not, and what it gives back."""

import json
import time
import warnings

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels import LayerwiseHyperModel
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


def test_asking_for_more_than_were_completed_gives_those_there_are(build, fit, tmp_path):
    def fails_often(hp):
        if hp.Int("units", 2, 7) > 4:
            raise ValueError("too wide")
        return build(hp)

    tuner = evolution(fails_often, tmp_path, max_trials=6)
    tuner.search(**fit)
    completed = sum(r["status"] == "COMPLETED" for r in tuner.results())
    assert 0 < completed < 6
    assert len(tuner.get_best_models(10)) == completed
    assert len(tuner.get_best_hyperparameters(10)) == completed
    assert len(tuner.get_best_trials(10)) == completed


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


def test_when_all_fail_the_end_names_the_first_reason(build, fit, tmp_path):
    class Broken(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            raise OSError("the disk is gone")

    tuner = evolution(Broken(), tmp_path, max_trials=4)
    with (
        pytest.warns(UserWarning, match="first 3 trials all failed.*the disk is gone"),
        pytest.raises(RuntimeError, match="all 4 failed, the first with: OSError: the disk is"),
    ):
        tuner.search(**fit)
    assert len(tuner.results()) == 4


def test_fatal_errors_of_keras_tuner_end_the_search(build, fit, tmp_path):
    class Fatal(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            raise keras_tuner.errors.FatalValueError("stop everything")

    with pytest.raises(keras_tuner.errors.FatalValueError, match="stop everything"):
        evolution(Fatal(), tmp_path).search(**fit)


def test_max_time_stops_between_trials_and_the_next_search_goes_on(build, fit, tmp_path, capsys):
    class Slow(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            time.sleep(0.3)
            return model.fit(*args, **kwargs)

    tuner = evolution(Slow(), tmp_path, max_trials=3, max_time=0.2)
    tuner.search(**{**fit, "verbose": 1})
    assert len(tuner.results()) == 1
    assert "max_time" in capsys.readouterr().out
    tuner.max_time = None
    tuner.search(**fit)
    assert [r["status"] for r in tuner.results()] == ["COMPLETED"] * 3


def test_an_interrupt_leaves_a_run_that_goes_on_as_an_unbroken_one(build, fit, tmp_path):
    class Interrupts(keras.callbacks.Callback):
        armed = True
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            Interrupts.epochs += 1
            if Interrupts.armed and Interrupts.epochs == 4:
                Interrupts.armed = False
                raise KeyboardInterrupt

    unbroken = evolution(build, tmp_path, project_name="unbroken")
    unbroken.search(**fit)
    broken = evolution(build, tmp_path, project_name="broken")
    with pytest.raises(KeyboardInterrupt):
        broken.search(**fit, callbacks=[Interrupts()])
    resumed = evolution(build, tmp_path, project_name="broken")
    resumed.search(**fit)
    assert table(resumed) == table(unbroken)
    broken.search(**fit)  # The interrupted object itself can go on as well.
    assert table(broken) == table(unbroken)


def test_a_finished_run_goes_on_with_more_trials(build, fit, tmp_path):
    long = evolution(build, tmp_path, max_trials=5, project_name="long", population_size=2)
    long.search(**fit)
    evolution(build, tmp_path, max_trials=2, population_size=2).search(**fit)
    again = evolution(build, tmp_path, max_trials=5, population_size=2)
    assert len(again.results()) == 2
    again.search(**fit)
    assert table(again) == table(long)


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


def test_results_are_plain_data(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, max_trials=4, population_size=2)
    tuner.search(**fit)
    results = tuner.results()
    json.dumps(results)
    last = results[-1]
    units = last["values"]["units"]
    assert last["params"] == 6 * units + units + units + 1
    assert last["macs"] == 6 * units + units
    assert last["flash_bytes"] > 0
    assert last["ram_bytes"] > 0
    assert last["epochs"] == 2
    assert 0 <= last["best_step"] < 2
    assert last["duration"] > 0
    assert set(last["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert last["metrics"]["val_loss"] == last["score"]
    assert set(last["parents"]) <= {r["trial_id"] for r in results[:-1]}
    assert last["parents"]


def test_results_are_the_same_after_a_resume(build, fit, tmp_path):
    tuner = evolution(build, tmp_path)
    tuner.search(**fit)
    assert evolution(build, tmp_path).results() == tuner.results()


def test_a_subclass_can_train_anything(tmp_path):
    class Quadratic(Tuner):
        def run_trial(self, trial, *args, **kwargs):
            return (trial.hyperparameters.Float("x", -1.0, 1.0) - 0.5) ** 2

    oracle = EvolutionOracle(keras_tuner.Objective("score", "min"), max_trials=10, seed=0)
    tuner = Quadratic(oracle=oracle, directory=tmp_path)
    tuner.search(verbose=0)
    assert len(tuner.results()) == 10
    assert tuner.get_best_trials(1)[0].score < 0.25


def test_overwrite_deletes_the_old_run_when_the_search_begins(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    assert (tmp_path / "run" / "tuner0.json").exists()
    assert new.results() == []
    new.search(**fit)
    assert len(new.results()) == 1
    assert len(list((tmp_path / "run").glob("trial_*"))) == 1


def snapshot_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def random_search(build, tmp_path, **kwargs):
    """The same with an oracle of KerasTuner's."""
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1, seed=0)
    return Tuner(build, oracle, directory=tmp_path, **kwargs)


@pytest.mark.parametrize("tuner_of", [evolution, random_search])
def test_overwrite_deletes_only_runs_of_this_directory(build, fit, tmp_path, tuner_of):
    runs, victim = tmp_path / "runs", tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("mine")
    elsewhere = evolution(build, tmp_path, project_name="elsewhere", max_trials=1)
    elsewhere.search(**fit)
    runs.mkdir()
    (runs / "link").symlink_to(tmp_path / "elsewhere")
    (runs / "photos").mkdir()
    (runs / "photos" / "me.jpg").write_text("mine")
    (runs / "study" / "trial_01").mkdir(parents=True)
    (runs / "study" / "trial_01" / "recording.csv").write_text("mine")
    before = snapshot_of(tmp_path)
    for name, message in {
        "../victim": "project_name",
        str(victim): "project_name",
        ".": "project_name",
        "link": "symbolic link",
        "photos": "holds files but no run",
        "study": "holds files but no run",
    }.items():
        with pytest.raises(ValueError, match=message):
            tuner_of(build, runs, project_name=name, overwrite=True)
    assert snapshot_of(tmp_path) == before


def test_overwrite_keeps_what_is_not_of_the_run(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    new.search(**fit)
    assert len(new.results()) == 1
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_overwrite_that_cannot_delete_ends_the_search(build, fit, tmp_path, monkeypatch):
    evolution(build, tmp_path).search(**fit)
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    link = tmp_path / "runs"

    def busy(*args, **kwargs):
        raise OSError(16, "busy")

    with monkeypatch.context() as patch:
        patch.setattr("os.rmdir", busy)
        with pytest.raises(OSError, match=r"The old run in .* cannot be deleted \(busy\)"):
            new.search(**fit)
    assert len(evolution(build, tmp_path).results()) == 3
    new.search(**fit)
    assert len(new.results()) == 1
    # A link that appears after the tuner was made.
    late = evolution(build, link, overwrite=True)
    link.mkdir()
    (link / "run").symlink_to(tmp_path / "run")
    with pytest.raises(ValueError, match="symbolic link"):
        late.search(**fit)
    assert len(evolution(build, tmp_path).results()) == 1


def test_a_tuner_file_that_cannot_be_read_is_named_and_the_trials_are_kept(build, fit, tmp_path):
    first = evolution(build, tmp_path)
    first.search(**fit)
    for content in (b"", b'{"identity": {"hyp', b"\xff\xfe", b"[]"):
        (tmp_path / "run" / "tuner0.json").write_bytes(content)
        with pytest.warns(UserWarning, match=r"tuner0\.json cannot be read"):
            again = evolution(build, tmp_path)
        assert table(again) == table(first)


def test_a_run_of_another_hypermodel_or_objective_is_refused_and_left_alone(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def renamed(hp):
        return build(hp)

    def build_tiny(hp):
        hp.Boolean("extra")
        return build(hp)

    build_tiny.__qualname__ = build.__qualname__
    with pytest.raises(ValueError, match="renamed") as caught:
        evolution(renamed, tmp_path)
    assert "overwrite=True" in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)
    with pytest.raises(ValueError, match="extra"):
        evolution(build_tiny, tmp_path)
    with pytest.raises(ValueError, match="val_accuracy"):
        evolution(build, tmp_path, objective="val_accuracy")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_run_of_the_same_names_with_other_values_is_refused(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)

    def build_tiny(hp):
        hp.Int("units", 2, 700)
        return build(hp)

    build_tiny.__qualname__ = build.__qualname__
    with pytest.raises(ValueError, match="max_value: 700"):
        evolution(build_tiny, tmp_path)


@pytest.mark.parametrize("change", [{"input_shape": (6, 6, 1)}, {"stages": [(2, 4)]}])
def test_a_run_of_a_space_for_other_data_or_widths_is_refused(tmp_path, change):
    arguments = {"input_shape": (8, 8, 1), "num_classes": 2, "stages": [(2, 8)], "blocks": (1, 1)}
    x, y = np.zeros((4, 8, 8, 1)), np.zeros(4)
    first = evolution(LayerwiseHyperModel(**arguments), tmp_path, objective="loss", max_trials=1)
    first.search(x, y, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="another search"):
        evolution(LayerwiseHyperModel(**{**arguments, **change}), tmp_path, objective="loss")
    same = evolution(LayerwiseHyperModel(**arguments), tmp_path, objective="loss")
    assert len(same.results()) == 1


def test_tuners_with_other_names_share_a_folder(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, tuner_id="left")
    tuner.search(**fit)
    assert (tmp_path / "run" / "left.json").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(evolution(build, tmp_path, tuner_id="left").results()) == 3


class Own(EvolutionOracle):
    """A strategy that no list holds."""


@pytest.mark.parametrize("strategy", [EvolutionOracle, Own, keras_tuner.oracles.RandomSearchOracle])
def test_a_strategy_may_be_a_class(strategy, build, tmp_path):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 7, "directory": tmp_path}
    for first, second in ((build, strategy), (strategy, build)):
        oracle = Tuner(first, second, **settings, project_name="run").oracle
        assert type(oracle) is strategy
        assert (oracle.objective.name, oracle.max_trials, oracle.seed) == ("val_loss", 3, 7)
    with pytest.raises(TypeError, match="its class, or the name of a strategy"):
        Tuner(build, int, **settings)
