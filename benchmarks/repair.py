"""What repairing proposals that break a tight budget saves, and what it does to the search.

`python benchmarks/repair.py` searches a layerwise space under limits of flash and RAM that leave
3 % and 0.3 % of its networks, redrawing proposals until one fits and repairing them: questions to
the gate and milliseconds for each trial, and the best of a made-up score that prefers large
networks.
With KERASNAS_DATA, it also races both on NAS-Bench-201 under the latency limit of
`nasbench201_tracks.py limited`: repairing must not cost accuracy.
"""

import argparse
import functools
import math
import os
import tempfile
import time
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras_tuner
import numpy as np
import race
from nasbench201_tracks import Over, limited

import kerasnas as kn
from kerasnas import oracles
from kerasnas.hardware import Profile, profile_graph
from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
from kerasnas.oracles import genome
from kerasnas.testing import search

STRATEGIES = ["evolution", "local_search", "cross_entropy", "random"]
NEVER = 10**9  # Proposals that may break the budget before one is repaired.
WAYS = ("redrawn", "repaired")


class Networks:
    """A layerwise space under limits that leave a share of its networks."""

    def __init__(self, share: float):
        self.hypermodel = kn.LayerwiseHyperModel((32, 32, 3), 10)
        costs = _costs()
        # The same quantile of flash and RAM, such that both together leave the share.
        low, high = share, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            fit = (costs <= np.quantile(costs, middle, axis=0)).all(axis=1).mean()
            low, high = (low, middle) if fit > share else (middle, high)
        self.limits = dict(zip(("flash", "ram"), np.quantile(costs, high, axis=0), strict=True))
        self.asked = 0

    def space(self) -> keras_tuner.HyperParameters:
        """The search space."""
        hp = keras_tuner.HyperParameters()
        self.hypermodel.declare(hp)
        return hp

    def gate(self, values: race.Values) -> dict[str, Any]:
        """The limits that a network breaks."""
        self.asked += 1
        found = profile_of(self.hypermodel, values)
        costs = {"flash": found.flash_bytes, "ram": found.ram_bytes}
        return {
            name: Over(costs[name], limit)
            for name, limit in self.limits.items()
            if costs[name] > limit
        }

    def score(self, values: race.Values) -> float:
        """Large networks, and some decisions, are better."""
        size = math.log2(profile_of(self.hypermodel, values).macs)
        return size + search.score(values) / math.sqrt(len(values))


def profile_of(hypermodel: kn.HyperModel, values: race.Values) -> Profile:
    """Cost of a network that is not built."""
    return profile_graph(hypermodel.sketch(FixedHyperParameters(values)), by_layer=False)


@functools.cache
def _costs() -> np.ndarray:
    hypermodel = kn.LayerwiseHyperModel((32, 32, 3), 10)
    space = keras_tuner.HyperParameters()
    hypermodel.declare(space)
    rng = np.random.default_rng(0)
    found = [profile_of(hypermodel, genome.sample(space, rng)) for _ in range(3000)]
    return np.array([[one.flash_bytes, one.ram_bytes] for one in found])


class Run(NamedTuple):
    """One search: questions and milliseconds for each trial, share repaired, the best score."""

    asked: float
    milliseconds: float
    repaired: float
    best: float


def run(job: tuple[float, str, int | None, int, int]) -> Run:
    """Searches the networks.

    Args:
        job: Share of the space that fits, strategy, patience, trials, seed.

    Returns:
        Its figures.
    """
    share, name, patience, trials, seed = job
    problem = Networks(share)
    oracle = oracles.make(
        race.resolve(name),
        objective=race.TELL,
        max_trials=trials,
        hyperparameters=problem.space(),
        seed=seed,
    )
    oracle.strategy.patience = patience or oracle.strategy.patience
    seconds, best = 0.0, -math.inf
    with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
        oracle.open(folder)
        oracle.attach(gate=problem.gate)
        while True:
            started = time.perf_counter()
            trial = oracle.create_trial("me")
            seconds += time.perf_counter() - started
            if trial.status != "RUNNING":
                break
            score = problem.score(trial.hyperparameters.values)
            best = max(best, score)
            oracle.update_trial(trial.trial_id, {race.TELL.name: score})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    done = len(oracle.trials)
    return Run(problem.asked / done, 1000 * seconds / done, oracle.repaired / done, best)


def patience_of(way: str, options: argparse.Namespace) -> int | None:
    """How many proposals may break the budget before one is repaired; None for the strategy's."""
    return NEVER if way == "redrawn" else options.patience


def networks(options: argparse.Namespace) -> None:
    """Prints the table of the layerwise space."""
    keys = [
        (share, name, way)
        for share in options.shares
        for name in options.strategies
        for way in WAYS
    ]
    jobs = [
        (share, name, patience_of(way, options), options.trials, seed)
        for share, name, way in keys
        for seed in range(options.seeds // 4 or 1)
    ]
    runs = iter(race.parallel(run, jobs, options.processes))
    rows = [["layerwise space", "fits", "", "gate calls", "ms", "repaired", "best score"]]
    for share, name, way in keys:
        found = [next(runs) for _ in range(options.seeds // 4 or 1)]
        asked, milliseconds, repaired, _ = np.mean(found, axis=0)
        best = race.score(np.array([one.best for one in found]))
        rows.append(
            [
                *(name, f"{share:.1%}", way, f"{asked:.1f}"),
                *(f"{milliseconds:.0f}", f"{repaired:.0%}", str(best)),
            ]
        )
    print(race.table(rows), flush=True)


def cells(options: argparse.Namespace) -> None:
    """Prints the table of NAS-Bench-201."""
    keys = [(name, way) for name in ["auto", *options.strategies] for way in WAYS]
    jobs = [
        (name, 50, seed, patience_of(way, options))
        for name, way in keys
        for seed in range(options.seeds)
    ]
    regrets = iter(race.parallel(_limited, jobs, options.processes))
    rows = [["NAS-Bench-201, limited, 50 trainings: regret, points", *WAYS]]
    found = {key: np.array([next(regrets) for _ in range(options.seeds)]) for key in keys}
    for name in ["auto", *options.strategies]:
        rows.append([name, *(str(race.score(found[name, way])) for way in WAYS)])
    print(race.table(rows))


def _limited(job: tuple[str, int, int, int | None]) -> float:
    return limited(*job)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="a quarter of them on networks")
    parser.add_argument("--trials", type=int, default=40, help="of a search of networks")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.03, 0.003])
    parser.add_argument("--strategies", nargs="+", type=race.strategy, default=STRATEGIES)
    parser.add_argument("--patience", type=int, help="proposals that may break the budget")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    networks(options)
    if os.environ.get("KERASNAS_DATA"):
        cells(options)
    else:
        print("NAS-Bench-201 is left out: set KERASNAS_DATA to the folder that holds it.")


if __name__ == "__main__":
    main()
