"""How well the short training that `fidelity="auto"` chooses ranks networks that it has not seen.

    KERASNAS_DATA=... python benchmarks/auto_fidelity.py [--data fashion_mnist har digits]
        [--seconds 600] [--networks 20] [--seed 0]

A search with `fidelity="auto"` of so many CPU seconds chooses a length. Then random networks, drawn
with another seed from the same space, below the same budget, are trained for that length and in
full. Printed are what was chosen, after which share of the time, and Kendall's tau between the two
scores of the networks with its 90 % interval.
"""

import argparse
import os
import pathlib
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from compression_recipes import DATA
from short_trainings import WIDTHS

import kerasnas as kn
from kerasnas.oracles import Fidelity, Plan, Proposal, genome
from kerasnas.oracles.fidelity.lengths import kendall

EPOCHS, BATCH, SAMPLES, HELD_OUT = 8, 64, 10_000, 5_000
BUDGET = {"flash": "64KB", "ram": "64KB"}
LENGTH = ("tuner/epochs", "tuner/initial_epoch", "tuner/samples")


class Both(Fidelity):
    """Trains each network for a given length and in full.

    Args:
        short: Values that tell the tuner the length.
    """

    goes_on = True
    trains_in_full = False

    def __init__(self, short: dict[str, Any]) -> None:
        self.short = short

    def tier(self, trial: Any) -> int:
        """Ranks full trainings first."""
        return int("tuner/epochs" in trial.hyperparameters.values)

    def next_trial(self, propose: Any, exhausted: Any) -> Plan | None:
        """Returns the full training of the network that was trained last, or a new network."""
        last = self.history.started[-1] if self.history.started else None
        if last is not None and self.tier(last):
            values = genome.network_values(last.hyperparameters.values)
            return Plan(Proposal(values, (last.trial_id,), "promotion"), is_new=False)
        proposal = propose()
        return None if proposal is None else Plan(proposal, self.short)


def measure(name: str, seconds: float, networks: int, seed: int) -> dict[str, Any]:
    """Lets a search choose, and tries the choice on other networks."""
    (x, y), (xv, yv), _ = DATA[name](pathlib.Path(os.environ.get("KERASNAS_DATA", ".")))
    part = np.random.default_rng(0).permutation(len(x))[:SAMPLES]
    data = {"x": x[part], "y": y[part], "validation_data": (xv[:HELD_OUT], yv[:HELD_OUT])}
    given = {"stages": WIDTHS[name]} if name in WIDTHS else {}
    space = kn.LayerwiseHyperModel(x.shape[1:], int(y.max()) + 1, **given)
    usual = {"objective": "val_accuracy", "budget": kn.Budget(**BUDGET)}
    fit = {**data, "epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
    begun = time.monotonic()
    chosen: list[tuple[str, float]] = []

    class Watched(kn.Tuner):
        """Notes when the fidelity has chosen."""

        def on_trial_begin(self, trial: Any) -> None:
            super().on_trial_begin(trial)
            if self.oracle.fidelity_choice and not chosen:
                chosen.append((self.oracle.fidelity_choice, time.monotonic() - begun))

    with tempfile.TemporaryDirectory() as folder:
        tuner = Watched(
            space, max_time=seconds, fidelity="auto", seed=seed, directory=folder, **usual
        )
        tuner.search(**fit)
        choice, at = chosen[0] if chosen else ("nothing was chosen", seconds)
        rows = [r for r in tuner.results() if r["operator"] not in ("check", "promotion")]
        last = {key: value for key, value in rows[-1]["values"].items() if key in LENGTH}
    found = {"choice": choice, "share": at / seconds, "length": last}
    if not last:
        return found
    with tempfile.TemporaryDirectory() as folder:
        again = kn.Tuner(
            space,
            "random",
            max_trials=2 * networks,
            fidelity=Both(last),
            seed=seed + 1000,
            directory=folder,
            **usual,
        )
        again.search(**fit)
        scores: dict[str, list[float]] = {}
        for row in again.results():
            if row["score"] is not None:
                key = str(genome.network_values(row["values"]))
                scores.setdefault(key, []).append(row["score"])
    pairs = [pair for pair in scores.values() if len(pair) == 2]
    tau, low, high = kendall(*zip(*pairs, strict=True))
    return {**found, "tau": tau, "low": low, "high": high, "networks": len(pairs)}


def main() -> None:
    """Prints a row a data set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=["fashion_mnist", "har"], choices=DATA)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    time.monotonic = time.process_time
    rows = []
    for name in options.data:
        found = measure(name, options.seconds, options.networks, options.seed)
        print(f"# {name}: {found['choice']}", flush=True)
        tau = "every network is trained in full"
        if "tau" in found:
            tau = f"{found['tau']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        rows.append((name, found["length"], f"{found['share']:.0%}", tau))
    print("\n| data | chosen | after | tau on unseen networks |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
