"""What weights from the parent are worth: the same search with `inherit=True` and without it.

    KERASNAS_DATA=... python benchmarks/inheritance.py [--data har digits] [--trials 30]
        [--seeds 3] [--epochs 8] [--macs 500K]

Each search is an evolution of networks below a limit of multiply-accumulates. With inheritance, a
child begins with the weights of its nearest ancestor, and has half of the epochs. Printed are, as
means over the seeds with the standard deviation: the best score of the search, what its CPU seconds
are of those of the search without inheritance, and the score of its best network trained from
scratch, twice, in all epochs, so that both searches are judged alike. Then all children of the
searches with inheritance are trained from scratch: Kendall's tau of the two scores, with its 90 %
interval, says how far inherited weights change the order of networks.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from compression_recipes import DATA
from short_trainings import WIDTHS

import kerasnas as kn
from kerasnas.oracles import genome
from kerasnas.oracles.fidelity.lengths import kendall

BATCH, SAMPLES, HELD_OUT = 64, 10_000, 5_000


def search(
    space: kn.HyperModel, fit: dict[str, Any], options: argparse.Namespace, seed: int, inherit: bool
) -> dict[str, Any]:
    """Runs a search, and trains its best network from scratch."""
    strategy = kn.oracles.Evolution(population_size=10, sample_size=4)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kn.Tuner(
            space,
            strategy,
            objective="val_accuracy",
            max_trials=options.trials,
            budget=kn.Budget(macs=options.macs),
            inherit=inherit,
            seed=seed,
            directory=folder,
        )
        begun = time.process_time()
        tuner.search(**fit)
        taken = time.process_time() - begun
        found = kn.retrain(tuner, k=1, seeds=2, teacher=None, verbose=0)
        rows = [row for row in tuner.results() if row["score"] is not None]
    return {
        "seconds": taken,
        "best": max(row["score"] for row in rows),
        "again": found.summary[0]["mean"],
        "children": [row for row in rows if row["inherited_from"] is not None],
    }


def from_scratch(
    space: kn.HyperModel, fit: dict[str, Any], rows: list[dict[str, Any]], seed: int
) -> list[float]:
    """Trains networks anew in all epochs, and returns their scores in the same order."""
    with tempfile.TemporaryDirectory() as folder:
        tuner = kn.Tuner(
            space,
            "random",
            objective="val_accuracy",
            max_trials=len(rows),
            seed=seed + 1000,
            directory=folder,
        )
        for row in rows:
            tuner.enqueue(genome.network_values(row["values"]))
        tuner.search(**fit)
        return [row["score"] for row in tuner.results()]


def spread(values: list[float]) -> str:
    """Returns the mean with the standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.4f} ± {deviation:.4f}"


def main() -> None:
    """Prints a table and the ranks of each data set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=["har", "digits"], choices=DATA)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--macs", default="500K")
    options = parser.parse_args()
    for name in options.data:
        (x, y), (xv, yv), _ = DATA[name](pathlib.Path(os.environ.get("KERASNAS_DATA", ".")))
        part = np.random.default_rng(0).permutation(len(x))[:SAMPLES]
        fit = {"x": x[part], "y": y[part], "validation_data": (xv[:HELD_OUT], yv[:HELD_OUT])}
        fit |= {"epochs": options.epochs, "batch_size": BATCH, "verbose": 0}
        given = {"stages": WIDTHS[name]} if name in WIDTHS else {}
        space = kn.LayerwiseHyperModel(x.shape[1:], int(y.max()) + 1, **given)
        both = {
            inherit: [search(space, fit, options, seed, inherit) for seed in range(options.seeds)]
            for inherit in (False, True)
        }
        print(f"\n{name}, {options.trials} trials of {options.epochs} epochs or half of them\n")
        print("| | best score | its network from scratch | CPU seconds to those without |")
        print("|---|---|---|---|")
        for inherit, runs in both.items():
            ratios = [
                run["seconds"] / plain["seconds"]
                for run, plain in zip(runs, both[False], strict=True)
            ]
            cells = [spread([run[part] for run in runs]) for part in ("best", "again")]
            title = "with inheritance" if inherit else "without"
            print(f"| {title} | {' | '.join(cells)} | {spread(ratios)} |", flush=True)
        for seed, run in enumerate(both[True]):
            children = run["children"]
            scores = from_scratch(space, fit, children, seed)
            inherited = [row["score"] for row in children]
            tau, low, high = kendall(inherited, scores)
            gain = statistics.fmean(inherited) - statistics.fmean(scores)
            print(
                f"seed {seed}: {len(children)} children score {gain:+.4f} to their trainings from "
                f"scratch; tau {tau:.2f} ({low:.2f} to {high:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
