"""Races the strategies on NAS-Bench-201, CIFAR-10: which is best for how many trainings.

`python benchmarks/nasbench201.py` needs KERASNAS_DATA, a folder with `nasbench201_cifar10.npz`.
A search sees the validation accuracy of one random seed after 200 epochs; it is judged by the mean
test accuracy of the cell that it would have chosen. Each number of trainings is a run of its own.
"""

import argparse
import functools
import importlib.util
import os
import pathlib
import sys
import time
from typing import Any

import keras_tuner
import numpy as np
import race

EDGES = ("edge_0_1", "edge_0_2", "edge_1_2", "edge_0_3", "edge_1_3", "edge_2_3")
OURS = (
    "auto",
    "predictor",
    "local_search",
    "greedy",
    "evolution",
    "simulated_annealing",
    "cross_entropy",
    "neat",
    "random",
)
PEERS = ("KerasTuner random", "Optuna TPE", "Optuna NSGA-II")
SLOW_PEERS = ("KerasTuner Bayesian", "Optuna GP")
# Seeds that choose the best of ours; those that score it begin at 0.
CHOOSING = 1000


@functools.cache
def read() -> dict[str, np.ndarray]:
    """The table."""
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        sys.exit("Set KERASNAS_DATA to the folder that holds nasbench201_cifar10.npz.")
    with np.load(pathlib.Path(folder) / "nasbench201_cifar10.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


class Cells:
    """The 15,625 cells, at 200 epochs or at 12."""

    def __init__(self, epochs: int = 200):
        data = read()
        self.names = [str(name) for name in data["op_names"]]
        self.row = {tuple(ops): place for place, ops in enumerate(data["ops"].tolist())}
        if epochs == 200:
            self.observed, self.test = data["val200_seeds"], data["test200"]
        else:
            self.observed, self.test = data["val12"][:, None], data["test12"]
        self.optimum = float(self.test.max())

    def space(self) -> keras_tuner.HyperParameters:
        """Six operations, one for each edge."""
        hp = keras_tuner.HyperParameters()
        for edge in EDGES:
            hp.Choice(edge, self.names)
        return hp

    def place(self, values: race.Values) -> int:
        """The row of a cell."""
        return self.row[tuple(self.names.index(values[edge]) for edge in EDGES)]

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """Validation accuracy of one of the seeds that the table has."""
        seeds = self.observed[self.place(values)]
        return float(rng.choice(seeds[np.isfinite(seeds)]))

    def truth(self, values: race.Values) -> float:
        """Mean test accuracy."""
        return float(self.test[self.place(values)])


def main() -> None:
    """Runs the race and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[25, 50, 100, 150, 300])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, choices=(200, 12), default=200)
    parser.add_argument("--strategies", nargs="+", type=race.strategy, default=list(OURS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--slow-peers", action="store_true", help="3 seeds, up to 50 trainings")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--json", help="file to write the figures to")
    parser.add_argument("--plot", help="file (.png) to draw regret against trainings to")
    options = parser.parse_args()
    slow = SLOW_PEERS if options.slow_peers else ()
    if slow and importlib.util.find_spec("torch") is None:
        print("Optuna GP is left out: it needs torch, which is not installed.")
        slow = tuple(name for name in slow if name != "Optuna GP")
    options.slow = slow
    started = time.monotonic()
    problem = functools.partial(Cells, options.epochs)
    curves = race.race(jobs_of(options, problem), options.processes)
    report(options, curves)
    print(f"\n{time.monotonic() - started:.0f} s")


def jobs_of(options: argparse.Namespace, problem: Any) -> list[race.Job]:
    """Ours on the choosing and the scoring seeds, the peers on the scoring seeds."""
    found = []
    for count in options.counts:
        for seed in range(options.seeds):
            found += [race.Job(race.ours, n, problem, count, seed) for n in options.strategies]
            found += [race.Job(race.peer, n, problem, count, seed) for n in options.peers]
            if count <= 50 and seed < 3:
                found += [race.Job(race.peer, n, problem, count, seed) for n in options.slow]
        for seed in range(CHOOSING, CHOOSING + options.seeds):
            # One alone needs no choice.
            for name in options.strategies if len(options.strategies) > 1 else ():
                found.append(race.Job(race.ours, name, problem, count, seed, f"choosing {name}"))
    return found


def report(options: argparse.Namespace, curves: dict[tuple[str, int], np.ndarray]) -> None:
    """Prints the table, and writes what was asked for."""
    final = {key: curve[:, -1] for key, curve in curves.items()}
    counts = options.counts
    rows = [["mean test regret, points", *map(str, counts)]]
    for name in [*options.strategies, *options.peers, *SLOW_PEERS]:
        if any((name, count) in final for count in counts):
            cells = [final.get((name, count)) for count in counts]
            rows.append([name, *("" if c is None else str(race.score(c)) for c in cells)])
    best = options.strategies[0]
    if len(options.strategies) > 1:
        best = race.best_of(options.strategies, counts, final)
    for name in dict.fromkeys([best, options.strategies[0]]) if options.peers else ():
        ratios = []
        for count in counts:
            peer = min(options.peers, key=lambda p, count=count: final[p, count].mean())
            ratios.append(str(race.ratio(final[name, count], final[peer, count])))
        rows.append([f"{name} / best peer", *ratios])
    print(race.table(rows))
    print(f"\nBest of ours, chosen on {options.seeds} other seeds: {best}.")
    if options.json:
        race.write_json(options.json, final)
    if options.plot:
        race.plot(options.plot, {k: c for k, c in curves.items() if k[1] == max(counts)})


if __name__ == "__main__":
    main()
