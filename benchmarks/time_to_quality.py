"""How soon each way of searching has a good network that fits: ours and its peers', in one race.

    KERASNAS_DATA=... python benchmarks/time_to_quality.py [--data fashion_mnist har]
        [--contenders ...] [--seconds 600] [--seeds 3] [--folder runs/time_to_quality]
        [--show] [--plot FILE.svg]

Networks of one layer-level space a data set must fit 64 KB of flash and 64 KB of RAM. Each
contender runs in a process of its own for the same CPU seconds, those of all its threads. Printed
are the best validation accuracy of a network that fits at a sixth, a third and the end of the time,
the mean over the time (the area under the curve), how many trials began, and after how many seconds
the best peer's final accuracy was reached: medians over the seeds, with the least and the largest.

The peers train each trial for EPOCHS epochs with `compile("adam")`, and once more, where "(our
training)" is said, with that of kerasnas's spaces. They do not know what a network costs:
KerasTuner's are given the number of weights that fit, and no limit of failed trials.

Validation data is a part of the training set; test data is not read here. Each race is kept in a
file of --folder, and is not run again. --show runs none, and prints what is there; --plot draws the
best accuracy against the CPU seconds, too.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS, BATCH = 8, 64
SAMPLES, HELD_OUT = 10_000, 5_000
FLASH, RAM, PARAMS = "64KB", "64KB", 60_000
PEERS = (
    "KerasTuner random",
    "KerasTuner Bayesian",
    "KerasTuner Hyperband",
    "Optuna TPE, median pruning",
)
OURS = {
    "kerasnas": {},
    "kerasnas, in full": {"fidelity": None},
    "kerasnas, random": {"oracle": "random"},
    "kerasnas, without inheritance": {"inherit": False},
    "kerasnas, plain steps": {"fast_steps": False},
    "kerasnas, plain training": {"plain": True},
    "short, then best": {"oracle": "random", "fidelity": "short", "inherit": False},
}
OUR_TRAINING = " (our training)"
CONTENDERS = (*PEERS, *(name + OUR_TRAINING for name in PEERS), *OURS)
Events = list[dict[str, Any]]


class TimeIsOver(BaseException):
    """Ends a peer's search."""


class Recorder:
    """Writes down what each trial has come to, and when.

    Args:
        seconds: CPU seconds after which no trial of a peer starts.
    """

    def __init__(self, seconds: float) -> None:
        self.events: Events = []
        self._begun, self._seconds = time.process_time(), seconds

    def begin(self) -> None:
        """Ends the search of a peer whose time is over."""
        if time.process_time() - self._begun >= self._seconds:
            raise TimeIsOver

    def end(self, values: dict[str, Any], score: float | None) -> None:
        """Notes the end of a trial."""
        at = round(time.process_time() - self._begun, 2)
        self.events.append({"at": at, "score": score, "values": dict(values)})

    def of(self, tuner_class: type[Any]) -> type[Any]:
        """Returns a tuner's class that notes its trials here."""
        recorder = self

        class Recorded(tuner_class):  # type: ignore[misc]
            def on_trial_end(self, trial: Any) -> None:
                super().on_trial_end(trial)
                trial = self.oracle.get_trial(trial.trial_id)
                recorder.end(trial.hyperparameters.values, trial.score)

            def on_trial_begin(self, trial: Any) -> None:
                if not tuner_class.__module__.startswith("kerasnas"):
                    recorder.begin()
                super().on_trial_begin(trial)

        Recorded.__name__ = tuner_class.__name__
        return Recorded


def load(data: str) -> tuple[Any, Any]:
    """Returns the training and the validation data of a race."""
    import numpy as np
    from compression_recipes import fashion_mnist, har

    if "KERASNAS_DATA" not in os.environ:
        raise SystemExit("Set KERASNAS_DATA to the folder of the data sets")
    folder = pathlib.Path(os.environ["KERASNAS_DATA"])
    (x, y), (xv, yv), _ = {"fashion_mnist": fashion_mnist, "har": har}[data](folder)
    order = np.random.default_rng(0).permutation(len(x))[:SAMPLES]
    return (x[order], y[order]), (xv[:HELD_OUT], yv[:HELD_OUT])


def space_of(data: str, train: Any, plain: bool) -> Any:
    """Returns the space of a race."""
    from short_trainings import WIDTHS

    import kerasnas as kn

    x, y = train
    given: dict[str, Any] = {"stages": WIDTHS[data]} if data in WIDTHS else {}
    if plain:
        given["learning_rate"] = 1e-3
    return kn.LayerwiseHyperModel(x.shape[1:], int(y.max()) + 1, **given)


def run_ours(name: str, space: Any, fit: dict[str, Any], seconds: float, seed: int) -> Events:
    """Runs a search of kerasnas."""
    import kerasnas as kn

    # `max_time` is of the wall clock; here all contenders have the same CPU seconds.
    time.monotonic = time.process_time
    usual = {"oracle": "auto", "fidelity": "auto", "inherit": True}
    settings: dict[str, Any] = {**usual, **OURS[name]}
    settings.pop("plain", None)
    if settings["fidelity"] == "short":
        settings["fidelity"] = kn.oracles.ShortThenBest(epochs=1, keep=3)
    recorder = Recorder(seconds)
    with tempfile.TemporaryDirectory() as folder:
        tuner = recorder.of(kn.Tuner)(
            space,
            settings.pop("oracle"),
            objective="val_accuracy",
            max_trials=None,
            max_time=seconds,
            budget=kn.Budget(flash=FLASH, ram=RAM),
            seed=seed,
            directory=folder,
            **settings,
        )
        tuner.search(**fit, verbose=1)
    return recorder.events


def run_keras_tuner(
    name: str, space: Any, fit: dict[str, Any], seconds: float, seed: int
) -> Events:
    """Runs a search of KerasTuner."""
    import keras_tuner

    recorder = Recorder(seconds)
    given: dict[str, Any] = {"objective": "val_accuracy", "seed": seed, "max_model_size": PARAMS}
    given["max_consecutive_failed_trials"] = 10**6
    if "Hyperband" in name:
        tuner_class: Any = keras_tuner.Hyperband
        given |= {"max_epochs": EPOCHS, "hyperband_iterations": 1000}
        fit = {key: value for key, value in fit.items() if key != "epochs"}
    else:
        bayesian = "Bayesian" in name
        tuner_class = keras_tuner.BayesianOptimization if bayesian else keras_tuner.RandomSearch
        given["max_trials"] = 10**6
    with tempfile.TemporaryDirectory() as folder:
        tuner = recorder.of(tuner_class)(space, directory=folder, **given)
        with contextlib.suppress(TimeIsOver):
            tuner.search(**fit, verbose=0)
    return recorder.events


def run_optuna(space: Any, fit: dict[str, Any], seconds: float, seed: int) -> Events:
    """Runs a study of Optuna over the same space."""
    import keras
    import keras_tuner
    import optuna

    class Suggested(keras_tuner.HyperParameters):
        """Values that a trial of Optuna suggests as the build asks for them."""

        def __init__(self, trial: optuna.Trial) -> None:
            super().__init__()
            self.trial = trial
            self.suggested: dict[str, Any] = {}

        def _retrieve(self, hp: Any) -> Any:
            if not self._conditions_are_active(hp.conditions):
                return None
            if hp.name not in self.suggested:
                choices = list(hp.values) if hasattr(hp, "values") else None
                if isinstance(hp, keras_tuner.engine.hyperparameters.Choice):
                    value = self.trial.suggest_categorical(hp.name, choices)
                elif isinstance(hp, keras_tuner.engine.hyperparameters.Float):
                    log = hp.sampling == "log"
                    value = self.trial.suggest_float(hp.name, hp.min_value, hp.max_value, log=log)
                else:
                    raise TypeError(f"this race has no {type(hp).__name__}")
                self.suggested[hp.name] = value
                self._register(hp)
            self.values[hp.name] = self.suggested[hp.name]
            return self.suggested[hp.name]

    class Pruning(keras.callbacks.Callback):
        def __init__(self, trial: optuna.Trial) -> None:
            super().__init__()
            self.trial, self.best = trial, 0.0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.best = max(self.best, logs["val_accuracy"])
            self.trial.report(logs["val_accuracy"], epoch)
            if self.trial.should_prune():
                self.model.stop_training = True

    recorder = Recorder(seconds)

    def objective(trial: optuna.Trial) -> float:
        recorder.begin()
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed * 10_000 + trial.number)
        hp = Suggested(trial)
        model = space.build(hp)
        if model.count_params() > PARAMS:
            recorder.end(hp.suggested, None)
            raise optuna.TrialPruned
        pruning = Pruning(trial)
        space.fit(hp, model, **fit, verbose=0, callbacks=[pruning])
        recorder.end(hp.suggested, pruning.best)
        return pruning.best

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    with contextlib.suppress(TimeIsOver):
        study.optimize(objective)
    return recorder.events


def race(data: str, name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Runs one contender in this process."""
    import resource

    train, validation = load(data)
    peer = name.removesuffix(OUR_TRAINING)
    plain = name in PEERS or bool(OURS.get(name, {}).get("plain"))
    space = space_of(data, train, plain)
    fit = {"x": train[0], "y": train[1], "validation_data": validation}
    fit |= {"epochs": EPOCHS, "batch_size": BATCH}
    if name in OURS:
        events = run_ours(name, space, fit, seconds, seed)
    elif peer.startswith("KerasTuner"):
        events = run_keras_tuner(peer, space, fit, seconds, seed)
    else:
        events = run_optuna(space, fit, seconds, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"events": judged(space, events), "peak_bytes": peak, "samples": len(validation[0])}


def judged(space: Any, events: Events) -> Events:
    """Adds to each trial whether its network fits, which takes none of the contender's time."""
    import kerasnas as kn
    from kerasnas.hardware.estimation import profile_graph
    from kerasnas.hypermodels.hyperparameters import FixedHyperParameters

    budget = kn.Budget(flash=FLASH, ram=RAM)
    for event in events:
        values = {name: v for name, v in event["values"].items() if not name.startswith("tuner/")}
        graph = space.sketch(FixedHyperParameters(values))
        event["fits"] = not budget.violations(profile_graph(graph))
    return events


def curve(events: Events, seconds: float) -> Callable[[float], float]:
    """Returns the best accuracy of a network that fits, by CPU seconds."""
    good = [one for one in events if one["fits"] and one["score"] is not None]

    def best(at: float) -> float:
        return max((one["score"] for one in good if one["at"] <= min(at, seconds)), default=0.0)

    return best


def median(values: list[float], digits: int = 3) -> str:
    """Returns the median, with the least and the largest of several."""
    least, middle, most = (
        "never" if value == float("inf") else f"{value:.{digits}f}"
        for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} ({least} to {most})" if len(values) > 1 else middle


def print_table(data: str, found: dict[str, list[dict[str, Any]]], seconds: float) -> None:
    """Prints what a race has come to."""
    ends = {
        name: statistics.median([curve(run["events"], seconds)(seconds) for run in runs])
        for name, runs in found.items()
        if name in PEERS
    }
    wanted = max(ends.values(), default=1.0)
    print(
        f"\n{data}: {seconds:.0f} CPU seconds, accuracy on {HELD_OUT:,} validation samples or all\n"
    )
    print(
        "| | at a sixth | at a third | at the end | mean over the time | trials | "
        f"seconds to {wanted:.3f} | MB | seeds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        curves = [curve(run["events"], seconds) for run in runs]
        grid = [seconds * (step + 0.5) / 200 for step in range(200)]
        reached = [
            min((at for at in grid if best(at) >= wanted), default=float("inf")) for best in curves
        ]
        cells = [median([best(seconds * part) for best in curves]) for part in (1 / 6, 1 / 3, 1)]
        cells.append(median([statistics.fmean(map(best, grid)) for best in curves]))
        cells.append(f"{statistics.median([len(run['events']) for run in runs]):.0f}")
        cells.append(median(reached, 0))
        cells.append(f"{max(run['peak_bytes'] for run in runs) / 2**20:.0f}")
        cells.append(str(len(runs)))
        print(f"| {name} | " + " | ".join(cells) + " |")


def plot(path: str, races: dict[str, dict[str, list[dict[str, Any]]]], seconds: float) -> None:
    """Draws the median best accuracy of each contender against the CPU seconds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(races), figsize=(5 * len(races), 4), layout="constrained", squeeze=False
    )
    grid = [seconds * step / 300 for step in range(301)]
    for axes, (data, found) in zip(panels[0], races.items(), strict=True):
        for name, runs in found.items():
            curves = [curve(run["events"], seconds) for run in runs]
            best = [statistics.median([one(at) for one in curves]) for at in grid]
            shown = [value or float("nan") for value in best]
            axes.plot(grid, shown, "-" if name in OURS else "--", label=name)
        axes.set(title=data, xlabel="CPU seconds", ylabel="best validation accuracy that fits")
    panels[0][-1].legend(loc="lower right", fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Runs the races that are missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=["fashion_mnist", "har"])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/time_to_quality"))
    parser.add_argument("--show", action="store_true", help="run nothing, print what is there")
    parser.add_argument("--plot", metavar="FILE", help="picture (.svg or .png) to draw")
    parser.add_argument("--only", nargs=3, metavar=("DATA", "CONTENDER", "SEED"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    def file_of(data: str, name: str, seed: int) -> pathlib.Path:
        slug = name.replace(",", "").replace(" ", "_").replace("(", "").replace(")", "")
        return options.folder / f"{data}-{slug}-{seed}-{options.seconds:.0f}.json"

    if options.only:
        data, name, seed = options.only
        result = race(data, name, options.seconds, int(seed))
        file_of(data, name, int(seed)).write_text(json.dumps(result))
        return
    races: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for data in options.data:
        found = races.setdefault(data, {})
        for seed in range(options.seeds):
            for name in options.contenders:
                path = file_of(data, name, seed)
                if options.show and not path.exists():
                    continue
                if not path.exists():
                    given = ["--folder", options.folder, "--seconds", options.seconds]
                    command = [sys.executable, __file__, *given, "--only", data, name, seed]
                    print(f"# {data}, {name}, seed {seed}", file=sys.stderr, flush=True)
                    subprocess.run([str(part) for part in command], check=True)
                found.setdefault(name, []).append(json.loads(path.read_text()))
        print_table(data, found, options.seconds)
    if options.plot:
        plot(options.plot, races, options.seconds)


if __name__ == "__main__":
    main()
