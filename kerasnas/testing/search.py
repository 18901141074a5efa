"""Searches without training: spaces, scores that follow from the values, and the loop."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras_tuner

from kerasnas.hardware import Violation as Violation
from kerasnas.hypermodels import GraphHyperModel
from kerasnas.oracles import Oracle, genome

OBJECTIVE = ("score", "max")


class Row(NamedTuple):
    """A finished trial in a form that can be compared.

    Attributes:
        trial_id: Id of the trial.
        status: COMPLETED, FAILED or RUNNING.
        values: Pairs of name and value, sorted.
        score: The score, or None.
    """

    trial_id: str
    status: str
    values: tuple[tuple[str, Any], ...]
    score: float | None


def conditional_space() -> keras_tuner.HyperParameters:
    """Returns a space of 12 decisions, most of them conditional, some under two conditions.

    Returns:
        Depth, and for each block its operation, kernel and width; and a learning rate.

    Example:

    ```python
    objective = keras_tuner.Objective(*OBJECTIVE)
    oracle = kerasnas.oracles.RandomOracle(objective, hyperparameters=conditional_space())
    ```
    """
    hp = keras_tuner.HyperParameters()
    hp.Int("depth", 1, 3)
    for block in range(3):
        with hp.conditional_scope("depth", list(range(block + 1, 4))):
            hp.Choice(f"block_{block}", ["conv", "depthwise", "pool"])
            with hp.conditional_scope(f"block_{block}", ["conv", "depthwise"]):
                hp.Choice(f"block_{block}/kernel", [3, 5, 7])
            with hp.conditional_scope(f"block_{block}", ["conv"]):
                hp.Int(f"block_{block}/width", 8, 64, step=8)
    hp.Boolean("bias")
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return hp


def small_space() -> keras_tuner.HyperParameters:
    """Returns a conditional space of 10 settings.

    Returns:
        An operation; a kernel where that is a convolution; a Boolean.

    Example:

    ```python
    objective = keras_tuner.Objective(*OBJECTIVE)
    oracle = kerasnas.oracles.RandomOracle(objective, hyperparameters=small_space())
    ```
    """
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool", "identity"])
    with hp.conditional_scope("op", ["conv"]):
        hp.Choice("kernel", [3, 5, 7])
    hp.Boolean("bias")
    return hp


def separable_space() -> keras_tuner.HyperParameters:
    """Returns a space of 10 independent choices of 4 operations.

    Returns:
        About a million settings, whose `score` is a sum over the choices.

    Example:

    ```python
    objective = keras_tuner.Objective(*OBJECTIVE)
    oracle = kerasnas.oracles.RandomOracle(objective, hyperparameters=separable_space())
    ```
    """
    hp = keras_tuner.HyperParameters()
    for edge in range(10):
        hp.Choice(f"edge_{edge}", ["conv3x3", "conv5x5", "pool", "identity"])
    return hp


def graph_space() -> keras_tuner.HyperParameters:
    """Returns a space of free topology: optional nodes, and connections between them.

    Returns:
        The 43 hyperparameters of `kerasnas.GraphHyperModel`.

    Example:

    ```python
    objective = keras_tuner.Objective(*OBJECTIVE)
    oracle = kerasnas.oracles.RandomOracle(objective, hyperparameters=graph_space())
    ```
    """
    hp = keras_tuner.HyperParameters()
    GraphHyperModel((8, 8, 1), 10).declare(hp)
    return hp


def setting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values without those that an oracle adds for its tuner."""
    return genome.network_values(values)


def score(values: Mapping[str, Any]) -> float:
    """Returns a score: the sum of a fixed pseudo-random number for each value.

    Args:
        values: A trial's values.

    Returns:
        The score; larger is better.

    Example:

    ```python
    score({"op": "conv", "kernel": 3})
    ```
    """
    return sum(_worth(name, value) for name, value in setting(values).items())


def run(
    oracle: keras_tuner.Oracle,
    outcome: Callable[[Mapping[str, Any]], float | None] = score,
    trials: int | None = None,
) -> list[Row]:
    """Runs a search as a single worker would.

    Args:
        oracle: The oracle, with its folder.
        outcome: Callable from values to the score; None from it fails the trial.
        trials: How many trials to run; None runs until the oracle stops.

    Returns:
        All trials of the oracle, by id.

    Raises:
        RuntimeError: The oracle waits though nothing is running.

    Example:

    ```python
    objective = keras_tuner.Objective(*OBJECTIVE)
    oracle = kerasnas.oracles.RandomOracle(objective, hyperparameters=conditional_space())
    oracle.open("runs")
    rows = run(oracle, trials=20)
    ```
    """
    done = 0
    while trials is None or done < trials:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        if trial.status == "IDLE":
            raise RuntimeError("The oracle waits, but no trial is running.")
        finish(oracle, trial, outcome)
        done += 1
    return rows(oracle)


def finish(
    oracle: keras_tuner.Oracle,
    trial: Any,
    outcome: Callable[[Mapping[str, Any]], float | None] = score,
) -> None:
    """Ends a trial with the outcome of its values.

    Args:
        oracle: The oracle.
        trial: One of its running trials.
        outcome: As in `run`.
    """
    result = outcome(trial.hyperparameters.values)
    report(oracle, trial, result)
    if result is None:
        trial.status = "INVALID"
    else:
        oracle.update_trial(trial.trial_id, {OBJECTIVE[0]: result})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def report(oracle: keras_tuner.Oracle, trial: Any, result: float | None) -> None:
    """Reports epochs to an oracle that judges running trials, until it stops the trial.

    Args:
        oracle: The oracle; one that does not judge running trials gets no reports.
        trial: One of its running trials.
        result: The score to report after each epoch, or None for no report.
    """
    if result is None or not (isinstance(oracle, Oracle) and oracle.reports):
        return
    for epoch in range(1, trial.hyperparameters.values["tuner/epochs"] + 1):
        if oracle.report(trial.trial_id, epoch, {oracle.objective.name: result}):
            return


def rows(oracle: keras_tuner.Oracle) -> list[Row]:
    """Returns all trials of an oracle, by id, in a form that can be compared and sent as JSON."""
    return [
        Row(name, trial.status, tuple(sorted(trial.hyperparameters.values.items())), trial.score)
        for name, trial in sorted(oracle.trials.items(), key=lambda one: int(one[0]))
    ]


def _worth(name: str, value: Any) -> float:
    digest = hashlib.sha256(f"{name}={value}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
