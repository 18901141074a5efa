"""The loop of a search: what ends it, and what it says."""

import gc
import time
import types

import keras
import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

from kerasnas import oracles
from kerasnas.tuners import Evolution, Tuner


def evolution(build, tmp_path, **kwargs):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 0, "project_name": "run"}
    return Evolution(build, directory=tmp_path, **{**settings, **kwargs})


def table(tuner):
    return [(r["trial_id"], r["values"], r["score"]) for r in tuner.results()]


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


def test_max_time_stops_between_trials_and_the_next_search_goes_on(
    build, fit, tmp_path, capsys, monkeypatch
):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep)
    for module in ("search_loop", "progress"):
        monkeypatch.setattr(f"kerasnas.tuners.{module}.time", clock)

    class Slow(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            now[0] += 60
            return model.fit(*args, **kwargs)

    tuner = evolution(Slow(), tmp_path, max_trials=3, max_time="90s")
    tuner.search(**{**fit, "verbose": 1})
    assert len(tuner.results()) == 2
    assert "max_time of 1m 30s is over" in capsys.readouterr().out
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


class Idle(oracles.RandomOracle):
    """Has nothing to propose when it is asked for the first time."""

    asked = 0

    def create_trial(self, tuner_id):
        self.asked += 1
        if self.asked == 1:
            return Trial(self.get_space(), "0", "IDLE")
        return super().create_trial(tuner_id)


def test_an_idle_oracle_is_asked_again(build, fit, tmp_path):
    oracle = Idle("val_loss", max_trials=1)
    tuner = Tuner(build, oracle, directory=tmp_path)
    tuner.search(**fit)
    assert oracle.asked == 3
    assert len(tuner.results()) == 1


def test_hooks_are_called_around_each_trial(build, fit, tmp_path):
    called = []

    class Hooks(Tuner):
        def on_search_begin(self):
            called.append("search")

        def pre_create_trial(self):
            called.append("create")

        def on_trial_begin(self, trial):
            called.append(f"begin {trial.trial_id}")

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            called.append(f"end {trial.trial_id}")

        def on_search_end(self):
            called.append("over")

    Hooks(build, oracles.RandomOracle("val_loss", max_trials=1), directory=tmp_path).search(**fit)
    assert called == ["search", "create", "begin 0", "end 0", "create", "over"]


def test_leftovers_of_trials_are_collected_again_after_the_search(build, fit, tmp_path):
    gc.unfreeze()
    evolution(build, tmp_path, max_trials=1).search(**fit)
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_has_frozen_stays_so(build, fit, tmp_path):
    gc.freeze()
    frozen = gc.get_freeze_count()
    evolution(build, tmp_path, max_trials=1).search(**fit)
    assert gc.get_freeze_count() >= frozen
