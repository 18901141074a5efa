"""An oracle by the name of its strategy, and the strategy to take when none is named."""

import inspect
from typing import Any

import keras_tuner

from kerasnas.oracles import genome
from kerasnas.oracles.engine.objectives import resolve
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.engine.proposal_search import LISTED
from kerasnas.oracles.engine.strategy import Strategy, is_strategy
from kerasnas.oracles.named import ORACLES
from kerasnas.oracles.registry import ENTRIES, find
from kerasnas.runtime.arguments import check_integer


def make(
    name: str | Strategy | type[Any] = "auto",
    *,
    objective: Any = None,
    max_trials: int | None = 10,
    hyperparameters: keras_tuner.HyperParameters | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Oracle:
    """Makes an oracle of a strategy, which is given by its name or its class.

    Args:
        name: `auto`, or a strategy: `evolution`, `local_search` and so on (as the tuner's name,
            `LocalSearch`, too). `auto` takes `nsga2` for several objectives and `predictor` for
            one, whose settings follow from the number of trials, and says so in the oracle's
            `chosen`; it also tells when the space is so small that all of it will be tried.
            Or a `kerasnas.oracles.Strategy`, its class, or the class of an oracle.
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there.
        hyperparameters: As there.
        seed: As there.
        **settings: Further arguments of the strategy and of the oracle.

    Returns:
        The oracle.

    Raises:
        ValueError: There is no strategy of that name, or it cannot serve the objective.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.make("auto", objective="val_accuracy", max_trials=50, seed=0)
    >>> oracle.chosen
    'predictor, because it learns most from 50 trials of one objective'
    """
    search = {
        "objective": objective,
        "max_trials": max_trials,
        "hyperparameters": hyperparameters,
        "seed": seed,
        **settings,
    }
    for known, entry in ENTRIES.items():
        if name is entry.part:
            name = known
    if isinstance(name, type) and issubclass(name, Strategy):
        own = [one for one in inspect.signature(name).parameters if one in settings]
        name = name(**{one: search.pop(one) for one in own})
    if is_strategy(name):
        return Oracle(name, **search)
    chosen = None
    if isinstance(name, str) and name.lower() == "auto":
        check_integer("max_trials", max_trials, least=1, optional=True)
        name, chosen = _choose(objective, max_trials, hyperparameters)
    made: type[Any] = name if isinstance(name, type) else ORACLES[find(str(name), "auto")]
    oracle: Oracle = made(**search)
    oracle.chosen = chosen
    return oracle


def _choose(
    objective: Any, max_trials: int | None, space: keras_tuner.HyperParameters | None
) -> tuple[str, str]:
    """Returns the strategy for a search, and why.

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
