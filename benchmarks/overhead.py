"""Times what a search costs beside the training: asking, the check for repeats, and saving.

`python benchmarks/overhead.py` runs every oracle of ours and KerasTuner's over spaces of 12 and 60
decisions, most of them conditional, up to 10,000 trials. Between the counts, trials are filled in
at random; at each count, 30 trials are timed. Asking is the time in the strategy's `propose`;
bookkeeping is all the rest of a trial's life, that of Hyperband and ASHA included, without the one
wait for the disk, which has a column of its own.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras_tuner
import numpy as np
import race

from kerasnas import oracles
from kerasnas.oracles import genome
from kerasnas.oracles.named import ORACLES
from kerasnas.testing import search

WINDOW = 30
THEIRS = {
    "KerasTuner RandomSearch": keras_tuner.oracles.RandomSearchOracle,
    "KerasTuner Hyperband": keras_tuner.oracles.HyperbandOracle,
    "KerasTuner GridSearch": keras_tuner.oracles.GridSearchOracle,
}
SLOW = ("bayesian", "optuna")


def space_of(decisions: int) -> keras_tuner.HyperParameters:
    """Depth, a rate, a flag, and blocks of three decisions that depend on the depth."""
    hp = keras_tuner.HyperParameters()
    blocks = (decisions - 3) // 3
    hp.Int("depth", 1, blocks, default=blocks)
    for block in range(blocks):
        with hp.conditional_scope("depth", list(range(block + 1, blocks + 1))):
            hp.Choice(f"block_{block}", ["conv", "depthwise", "pool"])
            with hp.conditional_scope(f"block_{block}", ["conv", "depthwise"]):
                hp.Choice(f"block_{block}/kernel", [3, 5, 7])
            with hp.conditional_scope(f"block_{block}", ["conv"]):
                hp.Int(f"block_{block}/width", 8, 64, step=8)
    hp.Boolean("bias")
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return hp


class Clock:
    """Seconds spent in a function since the last reading."""

    def __init__(self, function: Any):
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function and adds its time."""
        started = time.perf_counter()
        try:
            return self.function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - started

    def read(self) -> float:
        """Milliseconds since the last reading."""
        milliseconds, self.seconds = 1000 * self.seconds, 0.0
        return milliseconds


class Timed(oracles.Strategy):
    """Proposes at random until it is told to ask another strategy, whose proposals it times.

    Args:
        strategy: The other strategy.

    Attributes:
        asks: Whether the other strategy proposes.
        clock: Measures the other strategy's proposals.
    """

    def __init__(self, strategy: oracles.Strategy):
        self.multi_objective, self.patience = strategy.multi_objective, strategy.patience
        self.strategy, self.clock = strategy, Clock(strategy.propose)
        self.asks = False

    def propose(
        self, history: oracles.History, rng: np.random.Generator
    ) -> oracles.Proposal | None:
        """Samples a setting, or asks the other strategy."""
        if self.asks:
            return self.clock(history, rng)
        return oracles.Proposal(genome.sample(history.space, rng))

    def state(self) -> dict[str, Any]:
        """Returns the other strategy's state."""
        return self.strategy.state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Gives the other strategy its state."""
        self.strategy.set_state(state)

    def invalidate_cache(self) -> None:
        """Lets the other strategy drop what it has derived from the trials."""
        self.strategy.invalidate_cache()

    def note(
        self, history: oracles.History, values: Any, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Returns what the other strategy notes of a trial."""
        return self.strategy.note(history, values, rng)


def one_trial(oracle: keras_tuner.Oracle, worth: Any) -> None:
    """A trial from its proposal to its end."""
    trial = oracle.create_trial("me")
    assert trial.status == "RUNNING", trial.status
    search.finish(oracle, trial, worth)


def time_ours(name: str, decisions: int, counts: list[int], flush: Clock) -> list[list[str]]:
    """Rows of a table: asking, bookkeeping and the flush at each count."""
    arguments: dict[str, Any] = {"max_trials": 10**6, "hyperparameters": space_of(decisions)}
    if name == "hyperband":
        arguments["hyperband_iterations"] = None
    given = oracles.make(race.resolve(name), objective=race.TELL, seed=0, **arguments)
    oracle = oracles.Oracle(
        Timed(given.strategy),
        race.TELL,
        arguments["max_trials"],
        space_of(decisions),
        fidelity=given.fidelity,
        seed=0,
    )
    timed = oracle.strategy
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        oracle.open(folder)
        for count in counts:
            # Random trials up to the count: the strategy itself is timed only there.
            timed.asks = False
            synced, os.fsync = os.fsync, lambda _: None
            while len(oracle.trials) < count - WINDOW:
                one_trial(oracle, search.score)
            os.fsync = synced
            timed.asks = True
            asks, rest, waits = [], [], []
            for _ in range(WINDOW):
                timed.clock.read()
                flush.read()
                started = time.perf_counter()
                one_trial(oracle, search.score)
                whole = 1000 * (time.perf_counter() - started)
                asks.append(timed.clock.read())
                waits.append(flush.read())
                rest.append(whole - asks[-1] - waits[-1])
            figures = [statistics.median(asks), asks[0], statistics.median(rest)]
            figures.append(statistics.median(waits))
            rows.append([name, str(decisions), str(count), *(f"{one:.1f}" for one in figures)])
    return rows


def time_theirs(name: str, decisions: int, counts: list[int]) -> list[list[str]]:
    """The same for an oracle of KerasTuner's, whose asking is not told from the rest."""
    arguments: dict[str, Any] = {"seed": 1, "hyperparameters": space_of(decisions)}
    if "Hyperband" in name:
        arguments.update(max_epochs=10**4, hyperband_iterations=100)
    else:
        arguments.update(max_trials=10**6)
    oracle = THEIRS[name](objective=race.TELL, **arguments)
    oracle.verbose = 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "theirs")
        for count in counts:
            while len(oracle.trials) < count - WINDOW:
                one_trial(oracle, search.score)
            wholes = []
            for _ in range(WINDOW):
                started = time.perf_counter()
                one_trial(oracle, search.score)
                wholes.append(1000 * (time.perf_counter() - started))
            rows.append(
                [name, str(decisions), str(count), "", "", f"{statistics.median(wholes):.1f}", ""]
            )
    return rows


def main() -> None:
    """Times every oracle and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 3000, 10_000])
    parser.add_argument("--decisions", type=int, nargs="+", default=[12, 60])
    fast = [name for name in ORACLES if name not in SLOW]
    parser.add_argument("--strategies", nargs="+", type=race.strategy, default=fast, help="of ours")
    parser.add_argument("--theirs", nargs="*", default=list(THEIRS))
    parser.add_argument("--their-most", type=int, default=1000, help="KerasTuner's slow down")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    flush = Clock(os.fsync)
    os.fsync = flush  # type: ignore[assignment]
    head = ["oracle", "decisions", "trials", "ask, ms", "first ask", "bookkeeping, ms", "flush, ms"]
    print(race.table([head]), flush=True)
    for decisions in options.decisions:
        for name in options.strategies:
            for row in time_ours(name, decisions, options.counts, flush):
                print("| " + " | ".join(row) + " |", flush=True)
        for name in options.theirs:
            counts = [count for count in options.counts if count <= options.their_most]
            for row in time_theirs(name, decisions, counts):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
