"""The strategies that train every trial in full, by name: these can propose for another oracle."""

from collections.abc import Mapping

from kerasnas.oracles.base import Oracle
from kerasnas.oracles.cross_entropy import CrossEntropyOracle
from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.oracles.greedy import GreedyOracle
from kerasnas.oracles.local_search import LocalSearchOracle
from kerasnas.oracles.neat import NEATOracle
from kerasnas.oracles.nsga2 import NSGA2Oracle
from kerasnas.oracles.predictor import PredictorOracle
from kerasnas.oracles.random import RandomOracle
from kerasnas.oracles.simulated_annealing import SimulatedAnnealingOracle

SEARCHERS: dict[str, type[Oracle]] = {
    "cross_entropy": CrossEntropyOracle,
    "evolution": EvolutionOracle,
    "greedy": GreedyOracle,
    "local_search": LocalSearchOracle,
    "neat": NEATOracle,
    "nsga2": NSGA2Oracle,
    "predictor": PredictorOracle,
    "random": RandomOracle,
    "simulated_annealing": SimulatedAnnealingOracle,
}


def named(name: str, known: Mapping[str, type[Oracle]], *others: str) -> type[Oracle]:
    """Finds a strategy's oracle.

    Args:
        name: `local_search`, or as the classes are named: `LocalSearch`, `LocalSearchOracle`.
        known: Oracles by name.
        *others: Further names to list in the error.

    Returns:
        The oracle's class.

    Raises:
        ValueError: There is no strategy of that name.

    Example:

    ```python
    named("LocalSearch", SEARCHERS)   # LocalSearchOracle
    ```
    """
    key = str(name).lower().replace("_", "").replace("-", "").removesuffix("oracle")
    for known_name, oracle in known.items():
        if known_name.replace("_", "") == key:
            return oracle
    raise ValueError(
        f"There is no strategy of that name. Choose one of: {', '.join([*others, *known])}. "
        f"Received: {name!r}"
    )
