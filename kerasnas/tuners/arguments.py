"""Checks of a tuner's arguments, and what they stand for."""

import difflib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import keras_tuner
from keras_tuner.src.distribute import utils as distribute

from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.oracles import Oracle, make
from kerasnas.oracles.engine.objectives import is_cost, members
from kerasnas.oracles.engine.strategy import is_strategy
from kerasnas.oracles.genome import Values
from kerasnas.runtime.arguments import check_integer
from kerasnas.tuners import tflite_objectives
from kerasnas.tuners.costs import cost_names
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.warm_start import WarmStart

_DEFAULT_MAX_TRIALS = 10


def check_known(owner: type, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises an error for keyword arguments that a tuner does not take.

    It is a ValueError, as in KerasTuner, whose scripts may catch it.
    """
    taken = sorted({*known} - {"unknown"})  # `**unknown` takes the rest.
    unknown = sorted({*given} - {*taken})
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], taken, n=1)
    raise ValueError(
        f"Unrecognized arguments of {owner.__name__}: {', '.join(unknown)}. "
        + (f"Did you mean `{near[0]}`? " if near else "")
        + f"It takes: {', '.join(taken)}"
    )


def check_logger(logger: Any) -> None:
    """Warns, as KerasTuner does, that its old argument `logger` has no effect."""
    if logger is not None:
        warnings.warn(
            f"The argument `logger` has no effect. Received: logger={logger!r}",
            DeprecationWarning,
            stacklevel=4,
        )


def in_our_order(hypermodel: Any, oracle: Any) -> tuple[Any, Any]:
    """Swaps the first two arguments if the oracle comes first, as in `keras_tuner.Tuner`."""
    theirs = _is_strategy(hypermodel) and not (_is_strategy(oracle) or isinstance(oracle, str))
    return (oracle, hypermodel) if theirs else (hypermodel, oracle)


def _is_strategy(value: Any) -> bool:
    """Returns whether a value is a strategy or an oracle, or the class of one."""
    return isinstance(value, keras_tuner.Oracle) or _is_to_be_made(value)


def _is_to_be_made(value: Any) -> bool:
    """Returns whether an oracle is made of a value: a strategy, its class, or an oracle's class."""
    oracle = isinstance(value, type) and issubclass(value, keras_tuner.Oracle)
    return oracle or is_strategy(value)


def check_hypermodel(hypermodel: Any, loss: Any, needed: bool) -> None:
    """Raises an error unless it is a hypermodel, or a function that can build models.

    Args:
        hypermodel: The argument.
        loss: Takes the place of the hypermodel's, whose head it must fit; None for none.
        needed: Whether there must be a hypermodel.
    """
    if isinstance(hypermodel, HyperModel) and loss is not None:
        hypermodel.check_loss(loss)
    if isinstance(hypermodel, keras_tuner.HyperModel) or (hypermodel is None and not needed):
        return
    if isinstance(hypermodel, keras_tuner.Oracle):
        way_out = "the oracle is the second argument: Tuner(hypermodel, oracle)"
    elif isinstance(hypermodel, type):
        way_out = f"pass an instance, {hypermodel.__name__}(...), not the class"
    elif callable(hypermodel) and not isinstance(hypermodel, keras.layers.Layer):
        return
    else:
        way_out = "write a function that takes hyperparameters and returns a compiled model"
    raise TypeError(
        "Argument `hypermodel` must be a keras_tuner.HyperModel or a function build(hp); "
        f"{way_out}. Received: hypermodel={hypermodel!r} of type {type(hypermodel).__name__}"
    )


def choose_oracle(
    oracle: Any,
    objective: Any,
    max_trials: int | None,
    max_time: Any,
    fidelity: Any,
    seed: int | None,
    declare: Callable[[], keras_tuner.HyperParameters],
) -> keras_tuner.Oracle:
    """Gives the oracle that was passed, or makes that of a name or a class.

    Args:
        oracle: An oracle, a strategy, the class of either, the name of a strategy, or None for
            "auto".
        objective: For an oracle that is made; as are the next two and the seed.
        max_trials: None for 10, or for no limit where the time is limited.
        max_time: The time limit, or None.
        fidelity: How long trials train; None for in full.
        seed: None draws one.
        declare: Returns the space, as far as it is declared without building a model.

    Returns:
        The oracle.

    Raises:
        TypeError: It is none of these, or the seed is no integer.
        ValueError: An argument out of range, or one that belongs to the oracle that was passed.
    """
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
        raise TypeError(f"Argument `seed` must be an integer or None. Received: seed={seed!r}")
    if oracle is None or isinstance(oracle, str) or _is_to_be_made(oracle):
        if max_trials is not None:
            check_integer("max_trials", max_trials, least=1)
        return make(
            oracle or "auto",
            objective=objective,
            max_trials=max_trials or (_DEFAULT_MAX_TRIALS if max_time is None else None),
            hyperparameters=declare(),
            seed=seed,
            **({} if fidelity is None else {"fidelity": fidelity}),
        )
    if not isinstance(oracle, keras_tuner.Oracle):
        raise TypeError(
            "Argument `oracle` must be an instance of keras_tuner.Oracle, such as "
            "kerasnas.oracles.EvolutionOracle(...), a kerasnas.oracles.Strategy, the class of "
            "either, or the name of a strategy. Received: "
            f"oracle={oracle!r} of type {type(oracle).__name__}"
        )
    given = {"objective": objective, "max_trials": max_trials, "fidelity": fidelity}
    if any(value is not None for value in given.values()):
        received = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise ValueError(
            "Arguments `objective`, `max_trials` and `fidelity` belong to the oracle where one is "
            f"given: pass them to it. Received: {received}"
        )
    if oracle.max_trials is not None:
        check_integer("max_trials", oracle.max_trials, least=1)
    return oracle


def check_oracle(
    oracle: Oracle | ForeignOracle, hypermodel: Any, budget: Any, executions_per_trial: Any
) -> None:
    """Raises an error if a trial cannot be run as this oracle needs it, or in this budget."""
    tflite_objectives.check(oracle, hypermodel)
    objectives = members(oracle.objective)
    if all(is_cost(objective.name) for objective in objectives):
        raise ValueError(
            "Argument `objective` must have a metric of the training: a cost alone needs none. "
            "Add a metric, or put the cost into a budget. "
            f"Received: objective={[objective.name for objective in objectives]}"
        )
    if oracle.reports and executions_per_trial != 1:
        raise ValueError(
            "Argument `executions_per_trial` must be 1 for an oracle that judges a trial while it "
            f"trains. Received: executions_per_trial={executions_per_trial!r}"
        )
    _check_budget(budget, oracle)
    check_integer("executions_per_trial", executions_per_trial, least=1)


def check_retry_failed(retry_failed: Any, oracle: Oracle | ForeignOracle) -> None:
    """Raises an error if failed trials are to be run again by an oracle that cannot do that."""
    if retry_failed and isinstance(oracle, ForeignOracle):
        raise ValueError(
            "Argument `retry_failed` needs an oracle of kerasnas.oracles. "
            f"Received: retry_failed={retry_failed!r}, oracle of type {oracle.kind}"
        )


def check_warm_start(warm_start: Any, oracle: Oracle | ForeignOracle) -> WarmStart | list[Values]:
    """Reads what is trained first: settings, or how to find them."""
    if warm_start is None:
        return []
    if isinstance(oracle, ForeignOracle):
        raise ValueError(
            "Argument `warm_start` needs an oracle of kerasnas.oracles. "
            f"Received: oracle of type {oracle.kind}"
        )
    if isinstance(warm_start, (list, tuple)):
        if not all(isinstance(values, Mapping) for values in warm_start):
            raise TypeError(
                "Argument `warm_start` must be a list of settings, each a dict of values by name. "
                f"Received: warm_start={warm_start!r}"
            )
        return [dict(values) for values in warm_start]
    return WarmStart.of(warm_start)


def _check_budget(budget: Any, oracle: Oracle | ForeignOracle) -> None:
    """Raises an error unless the oracle can keep the budget, and the budget tells all costs."""
    if "latency_ms" in cost_names(oracle) and getattr(budget, "latency", None) is None:
        raise ValueError(
            "The cost 'latency_ms' needs a budget that tells it: "
            "budget=kn.Budget(latency=kn.hardware.LatencyModel.fit(timings)) predicts it, "
            "kn.Budget.for_device(name) too for a few boards, and "
            "kn.Budget(latency=kn.export.HostLatency()) measures it on this machine. "
            f"Received: budget={budget!r}"
        )
    if budget is None:
        return
    if not isinstance(budget, Budget):
        raise TypeError(
            'Argument `budget` must be a kerasnas.Budget, such as Budget(flash="64KB"). '
            f"Received: budget={budget!r} of type {type(budget).__name__}"
        )
    if isinstance(oracle, ForeignOracle):
        raise ValueError(
            "Argument `budget` needs an oracle of kerasnas.oracles, which turns proposals away "
            f"before they become trials. Received: oracle of type {oracle.kind}"
        )
    if distribute.has_chief_oracle() and not distribute.is_chief_oracle():
        raise ValueError(
            "Argument `budget` does not reach an oracle in another process: give it to the "
            f"chief's tuner only. Received: budget={budget!r} in a worker"
        )


def verbosity(fit_kwargs: dict[str, Any]) -> int:
    """Reads the `verbose` of `search`, and sets the one of `fit`, which is 0 unless it is 2."""
    verbose = fit_kwargs.get("verbose", 1)
    verbose = 1 if verbose == "auto" else verbose
    if verbose not in (0, 1, 2):
        raise ValueError(
            "Argument `verbose` must be 0 (nothing), 1 (a line a trial) or 2 (Keras's lines too). "
            f"Received: verbose={verbose!r}"
        )
    if "verbose" in fit_kwargs:
        fit_kwargs["verbose"] = 2 if verbose == 2 else 0
    return int(verbose)


def name_of(hypermodel: Any) -> str:
    """Returns a hypermodel's name, without its module, which differs if a script is imported."""
    if isinstance(hypermodel, keras_tuner.HyperModel):
        return type(hypermodel).__qualname__
    return getattr(hypermodel, "__qualname__", type(hypermodel).__qualname__)
