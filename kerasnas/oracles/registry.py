"""Any strategy by its name, and the one to take when none is named."""

from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.asha import ASHAOracle
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.cross_entropy import CrossEntropyOracle
from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.oracles.greedy import GreedyOracle
from kerasnas.oracles.hyperband import HyperbandOracle
from kerasnas.oracles.local_search import LocalSearchOracle
from kerasnas.oracles.neat import NEATOracle
from kerasnas.oracles.nsga2 import NSGA2Oracle
from kerasnas.oracles.objectives import resolve
from kerasnas.oracles.predictor import PredictorOracle
from kerasnas.oracles.random import RandomOracle
from kerasnas.oracles.simulated_annealing import SimulatedAnnealingOracle

ORACLES: dict[str, type[Oracle]] = {
    "asha": ASHAOracle,
    "cross_entropy": CrossEntropyOracle,
    "evolution": EvolutionOracle,
    "greedy": GreedyOracle,
    "hyperband": HyperbandOracle,
    "local_search": LocalSearchOracle,
    "neat": NEATOracle,
    "nsga2": NSGA2Oracle,
    "predictor": PredictorOracle,
    "random": RandomOracle,
    "simulated_annealing": SimulatedAnnealingOracle,
}


def make(
    name: str = "auto",
    *,
    objective: Any = None,
    max_trials: int | None = 10,
    hyperparameters: keras_tuner.HyperParameters | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Oracle:
    """Makes an oracle by the name of its strategy.

    Args:
        name: `auto`, or a strategy: `evolution`, `local_search` and so on (as the tuner's name,
            `LocalSearch`, too). `auto` chooses from the number of objectives and trials and from
            the space, and says what and why in the oracle's `chosen`.
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        hyperparameters: As there.
        seed: As there.
        **settings: Further arguments of the strategy's oracle.

    Returns:
        The oracle.

    Raises:
        ValueError: There is no strategy of that name, or it cannot serve the objective.

    Example:

    ```python
    oracle = kerasnas.oracles.make("auto", objective="val_accuracy", max_trials=50, seed=0)
    oracle.chosen   # "predictor, because ..."
    ```
    """
    known = {key.replace("_", ""): key for key in ORACLES}
    key = str(name).lower().replace("_", "").replace("-", "").removesuffix("oracle")
    chosen = None
    if key == "auto":
        check_count("max_trials", max_trials, at_least=1, optional=True)
        key, chosen = _choose(objective, max_trials, hyperparameters)
    if key not in known:
        raise ValueError(
            f"There is no strategy of that name. Choose one of: auto, {', '.join(ORACLES)}. "
            f"Received: name={name!r}"
        )
    oracle = ORACLES[known[key]](
        objective=objective,
        max_trials=max_trials,
        hyperparameters=hyperparameters,
        seed=seed,
        **settings,
    )
    oracle.chosen = chosen
    return oracle


def _choose(
    objective: Any, max_trials: int | None, space: keras_tuner.HyperParameters | None
) -> tuple[str, str]:
    """The strategy for a search, and why.

    One strategy serves every number of trials, so that a finished search can be extended.
    """
    wanted = resolve(objective)
    if isinstance(wanted, list):
        return "nsga2", f"nsga2, because {len(wanted)} objectives have no single best"
    trials = "trials without a limit" if max_trials is None else f"{max_trials} trials"
    count = None
    if space is not None and space.space and max_trials is not None:
        count = genome.size(space, max_trials)
    if count is not None:
        return "predictor", f"predictor; the space has only {count} settings, and all are tried"
    return "predictor", f"predictor, because it learns most from {trials} of one objective"
