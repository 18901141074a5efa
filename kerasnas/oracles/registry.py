"""All strategies and fidelities by name: a line each, from which oracles and tuners follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kerasnas.oracles.bayesian import Bayesian
from kerasnas.oracles.cross_entropy import CrossEntropy
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.objectives import resolve
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.engine.strategy import Strategy, is_strategy, made
from kerasnas.oracles.engine.subclass import SubclassStrategy
from kerasnas.oracles.evolution import Evolution
from kerasnas.oracles.fidelity import ASHA, Hyperband, ShortThenBest
from kerasnas.oracles.greedy import Greedy
from kerasnas.oracles.grid import Grid
from kerasnas.oracles.local_search import LocalSearch
from kerasnas.oracles.neat import NEAT
from kerasnas.oracles.nsga2 import NSGA2
from kerasnas.oracles.optuna import Optuna
from kerasnas.oracles.predictor import Predictor
from kerasnas.oracles.random import Random
from kerasnas.oracles.simulated_annealing import SimulatedAnnealing


@dataclass(frozen=True)
class Entry:
    """One strategy, or one fidelity that any strategy goes with.

    Args:
        part: Its class. Of `Evolution` follow `kerasnas.oracles.EvolutionOracle` and the tuner
            `kerasnas.Evolution`.
        order: Arguments of the oracle, after the objective, that may be given by position; by
            default `max_trials` and those of the class.
        defaults: Defaults of the oracle that differ from those of `kerasnas.oracles.Oracle`.
    """

    part: type[Strategy] | type[Fidelity]
    order: tuple[str, ...] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


# Those with an order have the order of KerasTuner's, so that its scripts run, or that of 0.1.
_SPACE = ("seed", "hyperparameters")
ENTRIES = {
    "asha": Entry(ASHA, ("max_epochs", "factor", "min_epochs", "rungs", "searcher", "max_trials")),
    "bayesian": Entry(Bayesian, ("max_trials", "num_initial_points", "alpha", "beta", *_SPACE)),
    "cross_entropy": Entry(CrossEntropy),
    "evolution": Entry(Evolution),
    "greedy": Entry(Greedy),
    "grid": Entry(Grid, ("max_trials", *_SPACE), {"max_trials": None, "max_proposals": 50_000}),
    "hyperband": Entry(
        Hyperband,
        ("max_epochs", "factor", "hyperband_iterations", *_SPACE),
        {"max_trials": None},
    ),
    "local_search": Entry(LocalSearch),
    "neat": Entry(NEAT),
    "nsga2": Entry(NSGA2),
    "optuna": Entry(Optuna),
    "predictor": Entry(Predictor),
    "random": Entry(Random, ("max_trials", *_SPACE)),
    "short_then_best": Entry(ShortThenBest, ("epochs", "keep", "searcher", "max_trials")),
    "simulated_annealing": Entry(SimulatedAnnealing),
}


# KerasTuner's names, so that its scripts run.
ALIASES = {
    "BayesianOptimization": "bayesian",
    "GridSearch": "grid",
    "RandomSearch": "random",
}


def find(name: str, *others: str, kind: type = object) -> str:
    """Finds a strategy or fidelity by its name, however it is written.

    Args:
        name: `local_search`, or as the classes are named: `LocalSearch`, `LocalSearchOracle`.
        *others: Further names to list in the error.
        kind: Class that it must be derived from: `Strategy` leaves fidelities out.

    Returns:
        Its name in the registry.

    Raises:
        ValueError: There is none of that name.

    Example:

    ```python
    find("LocalSearchOracle")   # "local_search"
    ```
    """
    key = str(name).lower().replace("_", "").replace("-", "").removesuffix("oracle")
    key = {alias.lower(): known for alias, known in ALIASES.items()}.get(key, key)
    names = [known for known, entry in ENTRIES.items() if issubclass(entry.part, kind)]
    for known in names:
        if known.replace("_", "") == key:
            return known
    raise ValueError(
        f"There is no strategy of that name. Choose one of: {', '.join([*others, *names])}. "
        f"Received: {name!r}"
    )


def strategy_of(searcher: Any, objective: Any) -> Strategy:
    """Returns the strategy that proposes networks for a search.

    Args:
        searcher: Name of a strategy, a strategy or its class, or an oracle or its class.
        objective: Objective of the search.

    Returns:
        The strategy.

    Raises:
        TypeError: A class that cannot be made without further arguments.
        ValueError: There is none of that name, or an oracle that has an objective, settings in its
            queue or a fidelity of its own.
    """
    if isinstance(searcher, str):
        return made(ENTRIES[find(searcher, kind=Strategy)].part)
    if is_strategy(searcher):
        return made(searcher)
    oracle = searcher
    if isinstance(searcher, type) and issubclass(searcher, Oracle):
        try:
            # What it draws comes from the other oracle's generator: its own seed is of no account.
            oracle = searcher(objective=objective, max_trials=100, seed=0)
        except TypeError as error:
            raise TypeError(
                f"searcher={searcher.__name__} cannot be made of objective, max_trials and seed "
                f"alone: pass {searcher.__name__}(...) with what else it needs. {error}"
            ) from error
    if not isinstance(oracle, Oracle) or not oracle.fidelity.trains_in_full:
        names = [name for name, one in ENTRIES.items() if issubclass(one.part, Strategy)]
        raise ValueError(
            f"searcher must be one of {', '.join(names)}, or a kerasnas.oracles.Strategy, its "
            "class, or an oracle that trains each trial in full. "
            f"Received: searcher={searcher!r}"
        )
    _check_has_none(oracle, objective, searcher)
    return SubclassStrategy(oracle, for_another=True) if oracle.proposes() else oracle.strategy


def _check_has_none(oracle: Oracle, objective: Any, searcher: Any) -> None:
    """Refuses an oracle whose own objective or queue would have no effect."""
    here = resolve(objective)
    wanted = here if isinstance(here, list) else [here] if here is not None else []
    given = [(one.name, one.direction) for one in oracle.objectives]
    # KerasTuner's, of an oracle that is given none.
    none = [("default_objective", "min")]
    if given not in (none, [(one.name, one.direction) for one in wanted]):
        raise ValueError(
            "searcher must have the objective of this oracle, or none. "
            f"Received: searcher with {oracle.objective}, where this oracle has {here}"
        )
    if oracle.enqueued:
        raise ValueError(
            "warm_start must be given to this oracle, not to its searcher. "
            f"Received: searcher={searcher!r}"
        )
