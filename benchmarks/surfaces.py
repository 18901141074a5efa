"""Search spaces whose optimum is known: what benchmarks/strategies.py races on.

Each is a `race.Problem` whose score is to be large. Those in `DEVELOPMENT` are where the constants
of our strategies were chosen; those in `JUDGED` had no part in that.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import formulas
import keras_tuner
import networks
import numpy as np
import race
import tables

Formula = Callable[[np.ndarray], float]


class Cube:
    """A formula on the unit cube, each side of which is one number of the space.

    Args:
        formula: Callable from an array of positions from 0 to 1 to a loss.
        dimensions: How many numbers there are.
        least: The least loss.
        kind: How the numbers are declared: `float`, `log_float`, `log_int`, `int` or, one after
            the other, all kinds there are, steps and `reverse_log` among them (`all`).
        noise: Standard deviation of one observation.
        fails: Callable from the positions to whether a training there fails.
        unused: Numbers more that the loss does not depend on.
    """

    def __init__(
        self,
        formula: Formula,
        dimensions: int,
        least: float,
        kind: str = "float",
        noise: float = 0.0,
        fails: Callable[[np.ndarray], bool] = lambda x: False,
        unused: int = 0,
    ):
        self.formula, self.dimensions, self.noise = formula, dimensions, noise
        self.optimum = -least
        self.kinds = [
            (list(KINDS) if kind == "all" else [kind])[place % (len(KINDS) if kind == "all" else 1)]
            for place in range(dimensions + unused)
        ]
        self.fails = fails

    def space(self) -> keras_tuner.HyperParameters:
        """The numbers."""
        hp = keras_tuner.HyperParameters()
        for place, kind in enumerate(self.kinds):
            how, low, high, more = KINDS[kind]
            getattr(hp, how)(f"x{place}", low, high, **more)
        return hp

    def positions(self, values: race.Values) -> np.ndarray:
        """Where the numbers stand on their ranges."""
        return np.array(
            [
                _position(values[f"x{place}"], *KINDS[kind][1:])
                for place, kind in enumerate(self.kinds[: self.dimensions])
            ]
        )

    def truth(self, values: race.Values) -> float:
        """The score without noise; that of the worst where the training fails."""
        x = self.positions(values)
        return self._worst() if self.fails(x) else -self.formula(x)

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """The score, or NaN for a training that fails."""
        if self.fails(self.positions(values)):
            return float("nan")
        return self.truth(values) + self.noise * float(rng.normal())

    @functools.cache  # noqa: B019
    def _worst(self) -> float:
        rng = np.random.default_rng(0)
        return -max(self.formula(x) for x in rng.random((1000, self.dimensions)))


# How a number is declared: its class, its range and its prior.
KINDS: dict[str, tuple[str, float, float, dict[str, Any]]] = {
    "float": ("Float", 0.0, 1.0, {}),
    "log_float": ("Float", 1e-5, 1e-1, {"sampling": "log"}),
    "log_int": ("Int", 1, 10_000, {"sampling": "log"}),
    "int": ("Int", 0, 1000, {}),
    "reverse_log_float": ("Float", 1e-3, 1.0, {"sampling": "reverse_log"}),
    "int_steps": ("Int", 8, 256, {"step": 8}),
    "log_int_steps": ("Int", 1, 4096, {"sampling": "log", "step": 2}),
    "float_steps": ("Float", 0.0, 1.0, {"step": 0.05}),
}


def _position(value: float, low: float, high: float, more: Mapping[str, Any]) -> float:
    sampling = more.get("sampling", "linear")
    if sampling == "log":
        return float(np.log(value / low) / np.log(high / low))
    if sampling == "reverse_log":
        return float(1 - np.log((high + low - value) / low) / np.log(high / low))
    return (value - low) / (high - low)


def _shifted(formula: Formula, dimensions: int, low: float, high: float, seed: int) -> Formula:
    """A formula with its optimum moved away from the middle, on positions from 0 to 1."""
    shift = (high - low) * np.random.default_rng(seed).uniform(-0.15, 0.15, dimensions)
    return lambda x: formula(low + (high - low) * x - shift)


def _flight(name: str, dimensions: int, seed: int, **more: Any) -> Callable[[], Cube]:
    formula, low, high, least = formulas.KNOWN[name]
    moved = _shifted(formula, dimensions, low, high, seed)
    return lambda: Cube(
        moved, dimensions, least * (dimensions if name == "styblinski" else 1), **more
    )


def _bumps(number: int) -> Cube:
    function, least = formulas.bumps(number)
    return Cube(function, 6, least)


def _waves(number: int) -> Cube:
    return Cube(formulas.waves(number), 6, 0.0, kind="all")


def _wells(number: int) -> Cube:
    function, least = formulas.wells(number)
    return Cube(function, 4, least, noise=0.3)


def _tables(*names: str) -> dict[str, Callable[[], race.Problem]]:
    return {f"table_{name}": functools.partial(tables.Table, name) for name in names}


# Numbers of functions made like hartmann6 that constants were not chosen on.
HELD_OUT = range(100, 105)
DEVELOPMENT: dict[str, Callable[[], race.Problem]] = {
    "ackley5_log_int": _flight("ackley", 5, 1, kind="log_int"),
    "rosenbrock4": _flight("rosenbrock", 4, 2),
    "levy6_noisy": _flight("levy", 6, 3, noise=1.0),
    "styblinski5_all_kinds": _flight("styblinski", 5, 4, kind="all"),
    "rastrigin6_all_kinds": _flight("rastrigin", 6, 6, kind="all"),
    "hartmann3_unused": lambda: Cube(formulas.hartmann3, 3, -3.86278, unused=5),
    "hartmann3_fails": lambda: Cube(
        formulas.hartmann3, 3, -3.86278, kind="log_int", fails=lambda x: bool(x[1] > 0.62)
    ),
    **{f"bumps_{one}": functools.partial(_bumps, one) for one in (0, 5, 6, 8, 9)},
    **{f"waves_{one}": functools.partial(_waves, one) for one in range(5)},
    **{f"wells_{one}": functools.partial(_wells, one) for one in range(5)},
    "cells": lambda: networks.Cells(0),
    "cells_noisy": lambda: networks.Cells(1, noise=0.3),
    "stages": lambda: networks.Stages(0),
    "stages_fails": lambda: networks.Stages(1, fails=True),
    **_tables("cifar100", "naval_propulsion", "protein_structure", "australian", "kc1", "segment"),
}
JUDGED: dict[str, Callable[[], race.Problem]] = {
    "hartmann6_log_int": lambda: Cube(formulas.hartmann6, 6, -3.32237, kind="log_int"),
    "hartmann6": lambda: Cube(formulas.hartmann6, 6, -3.32237),
    "branin": lambda: Cube(formulas.branin, 2, 0.397887),
    "network_log_int": lambda: networks.Layers(),
    "nasbench201": lambda: _nasbench201(),
    "griewank_mixed": _flight("griewank", 6, 5, kind="all"),
    "optimizers": lambda: networks.Optimizers(),
    "shekel_noisy": lambda: Cube(formulas.shekel, 4, -10.5364, noise=0.3),
    "hartmann6_fails": lambda: Cube(
        formulas.hartmann6, 6, -3.32237, fails=lambda x: bool(x[0] + x[5] > 0.95)
    ),
    **{f"bumps_{one}": functools.partial(_bumps, one) for one in HELD_OUT},
    "michalewicz5": lambda: Cube(formulas.michalewicz, 5, -4.687658),
    "schwefel6_mixed": lambda: Cube(formulas.schwefel, 6, 0.0, kind="all"),
    "alpine6_noisy": _flight("alpine", 6, 7, kind="log_int", noise=0.5),
    "network_fails": lambda: networks.Layers(fails=True),
    **_tables(
        *("imagenet", "parkinsons_telemonitoring", "slice_localization"),
        *("blood_transfusion", "credit_g", "phoneme", "vehicle"),
    ),
}
# Functions without steps, conditions, noise or failures.
SMOOTH = (
    *("hartmann6_log_int", "hartmann6", "branin", "michalewicz5"),
    *(f"bumps_{one}" for one in HELD_OUT),
)


def _nasbench201() -> race.Problem:
    import nasbench201

    return nasbench201.Cells()
