"""Races the strategies on made-up layer-wise spaces with conditions: no data is needed.

`python benchmarks/nasbench_macro_like.py` ends with an error if a strategy is worse than random
search by more than two standard errors, or a guided one is not better by two. A landscape gives
every block a worth that depends on its place and its make-up, couples neighbouring blocks, wants
a certain depth, and saturates as accuracies do; its optimum is computed, not searched for. The
shape follows NAS-Bench-Macro (Su et al. 2021, arXiv:2103.11922): early blocks matter most.
"""

import argparse
import functools
import itertools
import os
import sys
from typing import Any

import keras_tuner
import numpy as np
import race

OURS = (
    "auto",
    "local_search",
    "greedy",
    "evolution",
    "simulated_annealing",
    "cross_entropy",
    "neat",
    "random",
)
PEERS = ("Optuna TPE",)
OPERATIONS = ("identity", "conv", "mbconv_e3", "mbconv_e6")
KERNELS, WIDTHS = (3, 5, 7), (16, 24, 32, 48)
LEAST, MOST = 4, 10
NOISE = 0.1  # Points, of one training against the mean of many.
LANDSCAPES = 5
Block = tuple[str, int, int]


class Macro:
    """One landscape; another number is another one."""

    def __init__(self, landscape: int = 0):
        rng = np.random.default_rng([landscape, 201])
        self.blocks: list[Block] = [("identity", 0, 0)]
        self.blocks += list(itertools.product(OPERATIONS[1:], KERNELS, WIDTHS))
        places = np.linspace(1.0, 0.3, MOST)[:, None]
        operation = rng.normal(size=(MOST, len(OPERATIONS)))
        kernel = 0.4 * rng.normal(size=(MOST, len(KERNELS)))
        width = 0.3 * rng.normal(size=(MOST, len(WIDTHS))) + 0.1 * np.arange(len(WIDTHS))
        coupling = 0.4 * rng.normal(size=(len(OPERATIONS), len(OPERATIONS)))
        kinds = [OPERATIONS.index(block[0]) for block in self.blocks]
        self.worth = np.array(
            [
                [
                    operation[place, kind]
                    + (kernel[place, KERNELS.index(block[1])] if block[1] else 0.0)
                    + (width[place, WIDTHS.index(block[2])] if block[2] else 0.0)
                    for kind, block in zip(kinds, self.blocks, strict=True)
                ]
                for place in range(MOST)
            ]
        )
        self.worth *= places
        self.coupling = coupling[np.ix_(kinds, kinds)]
        wanted = rng.integers(6, 10)
        self.depth = {depth: -0.3 * abs(depth - wanted) for depth in range(LEAST, MOST + 1)}
        self.optimum = max(self._accuracy(self._best(depth)) for depth in self.depth)

    def space(self) -> keras_tuner.HyperParameters:
        """A depth of 4 to 10 blocks, each with an operation, a kernel and a width."""
        hp = keras_tuner.HyperParameters()
        hp.Int("depth", LEAST, MOST)
        for place in range(MOST):
            needed = list(range(max(place + 1, LEAST), MOST + 1))
            with hp.conditional_scope("depth", needed):
                name = f"block_{place}"
                hp.Choice(name, list(OPERATIONS))
                with hp.conditional_scope(name, list(OPERATIONS[1:])):
                    hp.Choice(f"{name}/kernel", list(KERNELS))
                    hp.Choice(f"{name}/width", list(WIDTHS))
        return hp

    def truth(self, values: race.Values) -> float:
        """Accuracy in points."""
        total = self.depth[values["depth"]]
        before = None
        for place in range(values["depth"]):
            name = f"block_{place}"
            kernel, width = values.get(f"{name}/kernel", 0), values.get(f"{name}/width", 0)
            block = (values[name], kernel, width)
            here = self.blocks.index(block if values[name] != "identity" else ("identity", 0, 0))
            total += self.worth[place, here]
            total += self.coupling[before, here] if before is not None else 0.0
            before = here
        return self._accuracy(total)

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """Accuracy of one training."""
        return self.truth(values) + NOISE * float(rng.normal())

    def _accuracy(self, total: float) -> float:
        return 95.0 - 15.0 / (1.0 + np.exp(total / 2.0))

    def _best(self, depth: int) -> float:
        """The largest total of a depth: a walk over the blocks that keeps the best way to each."""
        reached = self.worth[0]
        for place in range(1, depth):
            reached = (reached[:, None] + self.coupling).max(axis=0) + self.worth[place]
        return float(reached.max()) + self.depth[depth]


def main() -> None:
    """Runs the race, prints its table and checks it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--strategies", nargs="+", type=race.strategy, default=list(OURS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    # All are set against it.
    options.strategies = list(dict.fromkeys([*options.strategies, "random"]))
    jobs = [
        race.Job(runner, name, functools.partial(Macro, seed % LANDSCAPES), count, seed)
        for count in options.counts
        for seed in range(options.seeds)
        for runner, names in ((race.ours, options.strategies), (race.peer, options.peers))
        for name in names
    ]
    curves = race.race(jobs, options.processes)
    final = {key: curve[:, -1] for key, curve in curves.items()}
    print(race.table(rows_of(options, final)))
    wrong = broken(options, final)
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


def rows_of(options: argparse.Namespace, final: dict[Any, np.ndarray]) -> list[list[str]]:
    """Regrets, and the ratio to random search in the same run."""
    head = [f"{count}: {what}" for count in options.counts for what in ("regret", "/ random")]
    rows = [["points of accuracy", *head]]
    for name in [*options.strategies, *options.peers]:
        row = [name]
        for count in options.counts:
            row += [
                str(race.score(final[name, count])),
                str(race.ratio(final[name, count], final["random", count])),
            ]
        rows.append(row)
    return rows


def broken(options: argparse.Namespace, final: dict[Any, np.ndarray]) -> list[str]:
    """What was promised and is not so."""
    found = []
    for name, count in itertools.product(options.strategies, options.counts):
        if name == "random":
            continue
        ratio = race.ratio(final[name, count], final["random", count])
        if ratio.mean > 1 - 2 * ratio.error:
            found.append(f"{name} at {count}: {ratio} of random search's regret")
    return found


if __name__ == "__main__":
    main()
