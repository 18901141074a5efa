"""A small search that kills its own process; run by test_resume.py.

Arguments: directory, kind of the search, moment of the kill ("training", "trained" or "ended"),
number of the trial.
"""

import os
import signal
import sys

import keras
import numpy as np

from kerasnas import tuners


def build(hp):
    units, activation = hp.Int("units", 2, 7), hp.Choice("act", ["relu", "tanh"])
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(units, activation=activation),
        keras.layers.Dropout(hp.Choice("rate", [0.0, 0.25])),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    return model


def tuner_of(kind, directory, moment="never", number=0):
    """A tuner whose process is killed at a moment of the trial with this number."""

    class Killed(getattr(tuners, kind)):
        def kill_at(self, now, trial):
            if now == moment and int(trial.trial_id) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def on_epoch_end(self, trial, model, epoch, logs=None):
            self.kill_at("training", trial)

        def on_trial_end(self, trial):
            self.kill_at("trained", trial)
            self.oracle.end_trial(trial)
            self.kill_at("ended", trial)

    settings = {"Evolution": {"max_trials": 5, "population_size": 2}}
    settings["Hyperband"] = {"max_epochs": 4, "factor": 2, "min_epochs": 1}
    settings["ASHA"] = {"max_trials": 6, "max_epochs": 4, "factor": 2, "min_epochs": 1}
    settings["Random"] = {"max_trials": 4}
    objective = "val_tflite_loss" if kind == "Random" else "val_loss"
    return Killed(build, objective=objective, seed=0, directory=directory, **settings[kind])


def search(tuner):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 6)).astype("float32")
    y = (x[:, :1] + x[:, 1:2] > 0).astype("float32")
    tuner.search(x, y, validation_split=0.25, epochs=2, verbose=0)


if __name__ == "__main__":
    directory, kind, moment, number = sys.argv[1:]
    search(tuner_of(kind, directory, moment, int(number)))
