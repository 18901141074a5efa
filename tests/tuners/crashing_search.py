"""A search that goes through several lives, each a process; run by test_crashes.py.

Arguments: directory, kind of the search ("kerasnas", "build", "keras_tuner" or "ask"), and one word
a life: what the second trial does to its process, or "finish"; of "build" it is the build function.
Writes how each life has ended, and what is left.
"""

import json
import os
import signal
import sys
import traceback

import keras
import keras_tuner
import tensorflow  # noqa: F401 - Otherwise each life would import it, since Keras does.

import kerasnas as kn

ENDS = {
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
}


def end_process(life, trial, oracle):
    if trial.trial_id != "1" or life in ("finish", "retry"):
        return
    if life == "interrupt":
        raise KeyboardInterrupt
    if life == "fatal":
        raise keras_tuner.errors.FatalError("a mistake of the user's")
    if life.startswith("epoch,"):
        # What BestEpoch's training tells after its first epoch.
        oracle.clear_start(trial.trial_id)
    ENDS[life.removeprefix("epoch,")]()


def score(trial):
    return {"score": trial.hyperparameters.get("x")}


def build(hp):
    hp.Float("x", 0.0, 1.0)
    return model_of()


def model_of():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def crashing_build(life):
    """A build function that ends its process for some values, wherever it is called."""

    def build(hp):
        x = hp.Float("x", 0.0, 1.0)
        if 0.2 < x < 0.4 and life in ENDS:
            ENDS[life]()
        return model_of()

    return build


def search(directory, kind, life):
    oracle = kn.oracles.RandomOracle(keras_tuner.Objective("score", "max"), 3, seed=0)
    if kind == "ask":
        hp = keras_tuner.HyperParameters()
        build(hp)
        oracle = kn.oracles.RandomOracle(
            keras_tuner.Objective("score", "max"), 3, hyperparameters=hp, seed=0
        )
        oracle.open(directory, "run")
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            end_process(life, trial, oracle)
            oracle.update_trial(trial.trial_id, score(trial))
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
        return oracle

    base = keras_tuner.Tuner if kind == "keras_tuner" else kn.Tuner

    class Tuner(base):
        def run_trial(self, trial):
            if kind == "build":
                self._build_hypermodel(trial.hyperparameters)
            else:
                end_process(life, trial, self.oracle)
            return score(trial)

    hypermodel = crashing_build(life) if kind == "build" else build
    tuner = Tuner(oracle=oracle, hypermodel=hypermodel, directory=directory, project_name="run")
    tuner.search(**({"retry_failed": True} if life == "retry" else {}))
    return oracle


def main():
    directory, kind, *lives = sys.argv[1:]
    ends = []
    for life in lives:
        child = os.fork()
        if not child:
            try:
                search(directory, kind, life)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(1)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    oracle = kn.oracles.RandomOracle(keras_tuner.Objective("score", "max"), 3, seed=0)
    oracle.open(directory, "run")
    trials = [
        [name, trial.status, trial.score, trial.message] for name, trial in oracle.trials.items()
    ]
    json.dump([ends, trials], sys.stderr)


if __name__ == "__main__":
    main()
