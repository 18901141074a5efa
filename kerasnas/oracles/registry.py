"""Any strategy by its name, and the one to take when none is named."""

from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.asha import ASHAOracle
from kerasnas.oracles.base import Oracle, check_count
from kerasnas.oracles.bayesian import BayesianOracle
from kerasnas.oracles.grid import GridOracle
from kerasnas.oracles.hyperband import HyperbandOracle
from kerasnas.oracles.objectives import resolve
from kerasnas.oracles.optuna import OptunaOracle
from kerasnas.oracles.proposal import LISTED
from kerasnas.oracles.searchers import SEARCHERS, named

ORACLES: dict[str, type[Oracle]] = {
    **SEARCHERS,
    "asha": ASHAOracle,
    "bayesian": BayesianOracle,
    "grid": GridOracle,
    "hyperband": HyperbandOracle,
    "optuna": OptunaOracle,
}


def make(
    name: str | type[Any] = "auto",
    *,
    objective: Any = None,
    max_trials: int | None = 10,
    hyperparameters: keras_tuner.HyperParameters | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Oracle:
    """Makes an oracle by the name of its strategy, or of its class.

    Args:
        name: `auto`, or a strategy: `evolution`, `local_search` and so on (as the tuner's name,
            `LocalSearch`, too). `auto` takes `nsga2` for several objectives and `predictor` for
            one, whose settings follow from the number of trials, and says so in the oracle's
            `chosen`; it also tells when the space is so small that all of it will be tried.
            Or the class of an oracle, such as `EvolutionOracle` or one of your own.
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
    chosen = None
    if name == "auto":
        check_count("max_trials", max_trials, at_least=1, optional=True)
        name, chosen = _choose(objective, max_trials, hyperparameters)
    strategy: type[Any] = name if isinstance(name, type) else named(name, ORACLES, "auto")
    oracle: Oracle = strategy(
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
        count = genome.size(space, min(max_trials, LISTED))
    if count is not None:
        return "predictor", f"predictor; the space has only {count} settings, and all are tried"
    return "predictor", f"predictor, because it learns most from {trials} of one objective"
