"""A tuner for each strategy: the same search, with the oracle made from the tuner's arguments."""

import inspect
from typing import Any

from kerasnas import oracles
from kerasnas.tuners.arguments import check_known
from kerasnas.tuners.base import Tuner
from kerasnas.tuners.inputs import check_positive


class StrategyTuner(Tuner):
    """Base of the tuners that are named after a strategy.

    Takes the arguments of its oracle, by position in the oracle's order, and, by name, those of
    `kerasnas.Tuner`: budget, max_time, warm_start, directory, project_name ...

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function build(hp).
        *args: Arguments of the oracle.
        **kwargs: Arguments of the oracle and of `kerasnas.Tuner`.

    Raises:
        TypeError: An argument of the wrong type.
        ValueError: An argument out of range, or one that neither takes.
    """

    oracle_class: type[oracles.Oracle]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `help` and editors show the arguments of the oracle and of the tuner."""
        super().__init_subclass__(**kwargs)
        ours = _parameters(cls.oracle_class)
        own = _parameters(Tuner)
        hypermodel = own.pop("hypermodel")
        rest = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in own.items()
            if name not in ours and name != "oracle"
        ]
        cls.__signature__ = inspect.Signature([hypermodel, *ours.values(), *rest])

    def __init__(self, hypermodel: Any = None, *args: Any, **kwargs: Any) -> None:
        signature = inspect.signature(type(self))
        check_known(type(self), kwargs, signature.parameters)
        given = signature.bind(hypermodel, *args, **kwargs).arguments
        given.pop("hypermodel", None)
        names = _parameters(self.oracle_class)
        for name in ("max_trials", "max_epochs"):
            if given.get(name) is not None:
                check_positive(name, given[name])
        warm_start = {"warm_start": given.pop("warm_start")} if "warm_start" in given else {}
        oracle = self.oracle_class(**{n: value for n, value in given.items() if n in names})
        rest = {name: value for name, value in given.items() if name not in names}
        super().__init__(hypermodel, oracle, seed=given.get("seed"), **rest, **warm_start)


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Arguments of a constructor, with those of the constructors that it passes **kwargs to."""
    found: dict[str, inspect.Parameter] = {}
    keyword = inspect.Parameter.KEYWORD_ONLY
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
        passed_on = bool(found)
        for parameter in list(parameters)[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            new = parameter.replace(kind=keyword) if passed_on else parameter
            found.setdefault(parameter.name, new)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


class ASHA(StrategyTuner):
    """Search by asynchronous successive halving: a training that falls behind is stopped.

    Takes the arguments of `kerasnas.oracles.ASHAOracle` and of `kerasnas.Tuner`, whose
    `executions_per_trial` must be 1: a training is judged while it runs.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.ASHA(space, "val_accuracy", max_epochs=30, max_trials=100, directory="/tmp/runs")
    """

    oracle_class = oracles.ASHAOracle


class Bayesian(StrategyTuner):
    """Search by KerasTuner's Bayesian optimization, with saving and a budget.

    Takes the arguments of `kerasnas.oracles.BayesianOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Bayesian(space, objective="val_accuracy", max_trials=20, directory="/tmp/runs")
    """

    oracle_class = oracles.BayesianOracle


class Evolution(StrategyTuner):
    """Search by aging evolution: mutate the best of a random sample of the young.

    Takes the arguments of `kerasnas.oracles.EvolutionOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Evolution(space, objective="val_accuracy", max_trials=50,
    ...                      budget=kn.Budget(flash="64KB"), directory="/tmp/runs", seed=0)
    """

    oracle_class = oracles.EvolutionOracle


class CrossEntropy(StrategyTuner):
    """Search by the cross-entropy method: a distribution moves to the best of each batch.

    Takes the arguments of `kerasnas.oracles.CrossEntropyOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.CrossEntropy(space, "val_accuracy", max_trials=100, directory="/tmp/runs")
    """

    oracle_class = oracles.CrossEntropyOracle


class Greedy(StrategyTuner):
    """Search by coordinate descent over the parts of the network, or by growing it.

    Takes the arguments of `kerasnas.oracles.GreedyOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Greedy(space, objective="val_accuracy", max_trials=50, directory="/tmp/runs")
    """

    oracle_class = oracles.GreedyOracle


class Grid(StrategyTuner):
    """Search every setting in order.

    Takes the arguments of `kerasnas.oracles.GridOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Grid(space, objective="val_accuracy", directory="/tmp/runs")
    """

    oracle_class = oracles.GridOracle


class Hyperband(StrategyTuner):
    """Search by Hyperband: train many a little, and the best of them on.

    Takes the arguments of `kerasnas.oracles.HyperbandOracle` and of `kerasnas.Tuner`. A promoted
    trial starts from its parent's best epoch, the optimizer's state and step count included.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Hyperband(space, objective="val_accuracy", max_epochs=9, directory="/tmp/runs")
    """

    oracle_class = oracles.HyperbandOracle


class LocalSearch(StrategyTuner):
    """Search by first improvement over one-decision changes, with restarts.

    Takes the arguments of `kerasnas.oracles.LocalSearchOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.LocalSearch(space, "val_accuracy", max_trials=50, directory="/tmp/runs")
    """

    oracle_class = oracles.LocalSearchOracle


class NEAT(StrategyTuner):
    """Search by growing networks from the smallest, in species.

    Takes the arguments of `kerasnas.oracles.NEATOracle` and of `kerasnas.Tuner`. At its best on
    `kerasnas.GraphHyperModel`, whose topology is free.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.GraphHyperModel((8, 8, 1), 10)
    >>> tuner = kn.NEAT(space, "val_accuracy", max_trials=100, directory="/tmp/runs")
    """

    oracle_class = oracles.NEATOracle


class NSGA2(StrategyTuner):
    """Search for the trade-off between several objectives, costs among them.

    Takes the arguments of `kerasnas.oracles.NSGA2Oracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.NSGA2(space, ["val_accuracy", "flash"], max_trials=100, directory="/tmp/runs")
    """

    oracle_class = oracles.NSGA2Oracle


class Optuna(StrategyTuner):
    """Search with a sampler of Optuna.

    Takes the arguments of `kerasnas.oracles.OptunaOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Optuna(space, objective="val_accuracy", sampler="tpe", directory="/tmp/runs")
    """

    oracle_class = oracles.OptunaOracle


class Predictor(StrategyTuner):
    """Search guided by models that predict the score from the settings.

    Takes the arguments of `kerasnas.oracles.PredictorOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Predictor(space, "val_accuracy", max_trials=100, directory="/tmp/runs")
    """

    oracle_class = oracles.PredictorOracle


class Random(StrategyTuner):
    """Search at random, each network at most once.

    Takes the arguments of `kerasnas.oracles.RandomOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Random(space, objective="val_accuracy", max_trials=20, directory="/tmp/runs")
    """

    oracle_class = oracles.RandomOracle


class SimulatedAnnealing(StrategyTuner):
    """Search by simulated annealing: accept or reject one-decision changes as it cools.

    Takes the arguments of `kerasnas.oracles.SimulatedAnnealingOracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.CellHyperModel((8, 8, 1), 10)
    >>> tuner = kn.SimulatedAnnealing(space, "val_accuracy", max_trials=50, directory="/tmp/runs")
    """

    oracle_class = oracles.SimulatedAnnealingOracle
