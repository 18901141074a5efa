"""The whole journey in a limited time: search, training of the best in full, int8 file, test score.

    KERASNAS_DATA=... python benchmarks/two_hours.py fashion_mnist [--minutes 120] [--seeds 1]
    KERASNAS_DATA=... python benchmarks/two_hours.py har [--minutes 10] [--seeds 3]

Fashion-MNIST: at most 64 KB of flash and 64 KB of RAM. Activities, of subjects that are in one part
of the data only: at most 60,000 multiply-accumulates, 20 KB of RAM and 64 KB of flash. The search
has a share of the time; then its best network is trained from scratch with augmentation, for as
many epochs as there is time for, and its int8 file is trained with the rounding in place. What is
chosen is chosen on validation data; the test data is read once, for the file.

Minutes are those of two cores, in CPU time of all threads and child processes, so that runs on
machines that are shared compare. Printed are the file's bytes, its arena as TensorFlow Lite Micro
allocates it, its multiply-accumulates, and its accuracy on validation and test data; over several
seeds with the mean and the standard deviation.
"""

import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from compression_recipes import DATA
from short_trainings import WIDTHS

import kerasnas as kn

CORES = 2
BATCH = 64
# Epochs with the rounding in place, and what one of these takes, in epochs of the training before.
ROUNDED, ROUNDED_COST = 3, 3.0


@dataclasses.dataclass(frozen=True)
class Journey:
    """What is searched, how, and with which share of the time.

    Args:
        minutes: Minutes of two cores.
        seeds: How many searches.
        budget: Arguments of `kerasnas.Budget`.
        samples: Training samples of the search.
        epochs: Epochs of a full training in the search.
        search: The share of the time that the search has.
        training: How the best network is trained in the end.
    """

    minutes: float
    seeds: int
    budget: dict[str, Any]
    samples: int
    epochs: int
    search: float
    training: kn.Training


JOURNEYS = {
    "fashion_mnist": Journey(
        120,
        1,
        {"flash": "64KB", "ram": "64KB"},
        10_000,
        8,
        0.25,
        kn.Training(augmentation=[kn.augment.Shift(2), kn.augment.Flip()], label_smoothing=0.1),
    ),
    "har": Journey(
        10,
        3,
        {"flash": "64KB", "ram": "20KB", "macs": "60K"},
        10_000,
        8,
        0.6,
        kn.Training(augmentation=[kn.augment.Scale(0.2), kn.augment.Jitter(0.1)]),
    ),
}


def now() -> float:
    """Returns the seconds of two cores that this process and its children have had."""
    return sum(os.times()[:4]) / CORES


def travel(name: str, journey: Journey, minutes: float, seed: int) -> dict[str, Any]:
    """Goes from the data to the score of the file."""
    end = now() + minutes * 60
    train, validation, test = DATA[name](pathlib.Path(os.environ["KERASNAS_DATA"]))
    x, y = train
    part = np.random.default_rng(0).permutation(len(x))[: journey.samples]
    given = {"stages": WIDTHS[name]} if name in WIDTHS else {}
    space = kn.LayerwiseHyperModel(x.shape[1:], int(y.max()) + 1, **given)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kn.Tuner(
            space,
            objective="val_accuracy",
            max_time=journey.search * minutes * 60,
            fidelity="auto",
            inherit=True,
            budget=kn.Budget(**journey.budget),
            seed=seed,
            directory=folder,
        )
        fit = {"validation_data": validation, "epochs": journey.epochs, "batch_size": BATCH}
        tuner.search(x[part], y[part], **fit)
        found = {row["trial_id"]: row for row in tuner.results()}
        best = found[tuner.get_best_trials(1)[0].trial_id]
        an_epoch = best["duration"] / best["epochs"] * len(x) / journey.samples
        rounded = ROUNDED * ROUNDED_COST
        epochs = max(int(0.95 * (end - now()) / an_epoch - rounded), 1)
        print(f"# best of the search {best['score']:.4f}, then {epochs} epochs", file=sys.stderr)
        retrained = kn.retrain(
            tuner,
            k=1,
            seeds=1,
            x=x,
            y=y,
            validation_data=validation,
            test_data=test,
            epochs=epochs,
            training=journey.training,
            teacher=None,
            recipe=[kn.Quantize("int8", epochs=ROUNDED, batch_size=BATCH)],
        )
    file = retrained.compressed
    if file is None or retrained.test is None:
        raise RuntimeError(f"No file: {retrained.summary[0]['message']}")
    profile = kn.hardware.profile_tflite(file.tflite)
    return {
        "search": best["score"],
        "epochs": epochs,
        "validation": retrained.summary[0]["file_score"],
        "test": retrained.test["accuracy"],
        "bytes": len(file.tflite),
        "arena": kn.hardware.measure_arena(file.tflite).total,
        "macs": profile.macs,
        "minutes": minutes + (now() - end) / 60,
    }


def main() -> None:
    """Prints a row a seed, and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", choices=JOURNEYS)
    parser.add_argument("--minutes", type=float, help="of two cores")
    parser.add_argument("--seeds", type=int)
    options = parser.parse_args()
    if "KERASNAS_DATA" not in os.environ:
        raise SystemExit("Set KERASNAS_DATA to the folder of the data sets")
    journey = JOURNEYS[options.data]
    minutes = journey.minutes if options.minutes is None else options.minutes
    seeds = journey.seeds if options.seeds is None else options.seeds
    time.monotonic = now  # The search's time is of the same clock.
    rows = [travel(options.data, journey, minutes, seed) for seed in range(seeds)]
    print("| seed | minutes | best of the search | epochs | val | test | bytes | arena | MACs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for seed, row in enumerate(rows):
        scores = [f"{row[part]:.4f}" for part in ("validation", "test")]
        cells = [seed, f"{row['minutes']:.1f}", f"{row['search']:.4f}", row["epochs"], *scores]
        cells += [f"{row[part]:,}" for part in ("bytes", "arena", "macs")]
        print("| " + " | ".join(map(str, cells)) + " |")
    if len(rows) > 1:
        tests = [row["test"] for row in rows]
        print(f"\ntest {statistics.fmean(tests):.4f} ± {statistics.stdev(tests):.4f}")


if __name__ == "__main__":
    main()
