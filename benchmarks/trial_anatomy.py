"""Where the time of a trial goes: ours and KerasTuner's, by part, in CPU seconds.

    python benchmarks/trial_anatomy.py [--samples 4000] [--epochs 2] [--trials 3]

Three networks of a layer-level space below a million multiply-accumulates, the smallest, the middle
and the largest of nine, are trained on Fashion-MNIST (without KERASNAS_DATA, on the digits of
scikit-learn). Each network has a process of its own with each of: KerasTuner's random search, ours
without its fast steps, and ours. It trains the network in each of its trials, with another learning
rate. The first trial, in which libraries prepare themselves, does not count; of the others the mean
is printed, and under each contender the ratio of its trial to KerasTuner's with the spread over the
trials. CPU seconds, those of all threads, compare on a machine that is shared.
"""

import argparse
import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from compression_recipes import digits, fashion_mnist
from short_trainings import networks

import kerasnas as kn

PARTS = ("build", "first step", "steps", "validation", "checkpoint", "clearing", "the rest")
CONTENDERS = ("KerasTuner", "kerasnas, plain steps", "kerasnas")


class Meter:
    """CPU seconds of this process by part of a trial, for one trial after another."""

    def __init__(self) -> None:
        self.trials: list[dict[str, float]] = []
        self._parts: dict[str, float] = defaultdict(float)
        self._begun = time.process_time()
        self._inside = False

    def add(self, part: str, since: float) -> float:
        """Adds the time since a reading to a part, and returns the time now."""
        now = time.process_time()
        self._parts[part] += now - since
        return now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function whose time is added to a part, unless another such one calls it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, since = True, time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._inside = False
                self.add(part, since)

        return call

    def end_trial(self) -> None:
        """Ends a trial: what was in no part is the rest."""
        whole = time.process_time() - self._begun
        self._parts["the rest"] = whole - sum(self._parts.values())
        self.trials.append({**dict.fromkeys(PARTS, 0.0), **self._parts, "trial": whole})
        self._parts.clear()
        self._begun = time.process_time()


METER = Meter()


class Steps(keras.callbacks.Callback):
    """Tells the meter what of a training is its first step, its steps and its validations."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """The first step begins, with its tracing."""
        self._since, self._part = time.process_time(), "first step"

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """After the first step come the others."""
        if self._part == "first step":
            self._since, self._part = METER.add(self._part, self._since), "steps"

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Steps end where a validation begins."""
        self._since = METER.add("steps", self._since)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """A validation ends."""
        self._since = METER.add("validation", self._since)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """What other callbacks have done at the end of an epoch is in other parts."""
        if epoch:
            self._since = time.process_time()


def data(samples: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training data, and half as many samples for validation."""
    folder = os.environ.get("KERASNAS_DATA")
    found = fashion_mnist(pathlib.Path(folder)) if folder else digits(pathlib.Path())
    (x, y), (xv, yv) = found[:2]
    return (x[:samples], y[:samples]), (xv[: samples // 2], yv[: samples // 2])


def chosen(space: kn.HyperModel) -> list[dict[str, Any]]:
    """The smallest, the middle and the largest of nine random networks, by their MACs."""

    def macs(values: dict[str, Any]) -> int:
        return kn.profile(built(space, values)).macs

    found = sorted(networks(space, 9), key=macs)
    return [found[0], found[4], found[-1]]


def built(space: kn.HyperModel, values: dict[str, Any]) -> keras.Model:
    """A network of the space."""
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    return space.build(hp)


def measure(contender: str, values: dict[str, Any], args: argparse.Namespace) -> None:
    """Searches, in this process, and prints the parts of each trial as JSON."""
    training, validation = data(args.samples)
    space = kn.LayerwiseHyperModel(training[0].shape[1:], 10)

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        model = built(space, values)
        rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    keras.backend.clear_session = METER.timed("clearing", keras.backend.clear_session)
    gc.collect = METER.timed("clearing", gc.collect)
    keras.Model.save_weights = METER.timed("checkpoint", keras.Model.save_weights)
    with tempfile.TemporaryDirectory() as folder:
        theirs = contender == "KerasTuner"
        made: type[Any] = keras_tuner.RandomSearch if theirs else kn.RandomSearch
        switch = {} if theirs else {"fast_steps": contender == "kerasnas"}

        class Timed(made):
            def on_trial_end(self, trial: Any) -> None:
                super().on_trial_end(trial)
                METER.end_trial()

        tuner = Timed(
            METER.timed("build", build),
            objective="val_accuracy",
            max_trials=args.trials,
            seed=0,
            directory=folder,
            **switch,
        )
        tuner.search(
            *training,
            validation_data=validation,
            epochs=args.epochs,
            batch_size=64,
            verbose=0,
            callbacks=[Steps()],
        )
    print(json.dumps(METER.trials[1:]))


def print_table(name: str, found: dict[str, list[dict[str, float]]]) -> None:
    """Prints the parts of one network's trials, a line a contender."""
    print(f"\n{name}\n\n| CPU seconds | {' | '.join((*PARTS, 'trial', 'to KerasTuner'))} |")
    print(f"|---|{'---|' * (len(PARTS) + 2)}")
    base = statistics.fmean(trial["trial"] for trial in found[CONTENDERS[0]])
    for contender, trials in found.items():
        means = [statistics.fmean(trial[part] for trial in trials) for part in (*PARTS, "trial")]
        ratios = [trial["trial"] / base for trial in trials]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        cells = [*(f"{mean:.2f}" for mean in means), f"{means[-1] / base:.2f} ({spread})"]
        print(f"| {contender} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measures each contender in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one[0], json.loads(args.one[1]), args)
        return
    space = kn.LayerwiseHyperModel(data(1)[0][0].shape[1:], 10)
    settings = [f"--{name}={getattr(args, name)}" for name in ("samples", "epochs", "trials")]
    for values in chosen(space):
        found = {}
        for contender in CONTENDERS:
            command = [sys.executable, __file__, *settings, "--one", contender, json.dumps(values)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[contender] = json.loads(done.stdout.splitlines()[-1])
        model = built(space, values)
        profile = kn.profile(model)
        layers = f"{len(model.layers)} layers, {profile.params:,} parameters"
        print_table(f"{layers}, {profile.macs:,} MACs", found)


if __name__ == "__main__":
    main()
