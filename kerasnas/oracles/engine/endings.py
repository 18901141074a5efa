"""What happens when a trial ends, and when the trials of a search fail."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.engine.objectives import direction, is_cost, of_file


def handed_back(trial: Trial | str, status: str, trials: Mapping[str, Trial]) -> Trial:
    """Returns a trial as its worker hands it back, and refuses one that does not say how it ended.

    Args:
        trial: The trial, or its id, as in scripts for KerasTuner before 1.2.
        status: Status of a trial that is given by its id; "COMPLETE" is COMPLETED.
        trials: The oracle's trials by id.

    Raises:
        ValueError: Its status is none of COMPLETED, INVALID and FAILED.
    """
    if isinstance(trial, str):
        own = trials[trial]
        status = TrialStatus.COMPLETED if status == "COMPLETE" else status
        # A copy, as from a worker: the oracle takes over what it says, or nothing of it.
        trial = Trial(own.hyperparameters, own.trial_id, status)
    known = (TrialStatus.COMPLETED, TrialStatus.INVALID, TrialStatus.FAILED)
    if trial.status not in known:
        raise ValueError(
            f"The status of a trial that ends must be one of {', '.join(known)}. "
            f"Received: trial {trial.trial_id} with status={trial.status!r}"
        )
    return trial


def take_over(own: Trial, ended: Trial) -> None:
    """Adds what a worker hands back to the oracle's trial.

    The hyperparameters that the build has registered are added; the values that were proposed stay
    as they were.

    Args:
        own: The oracle's trial, which is changed.
        ended: The same trial as its worker hands it back.
    """
    own.status, own.message = ended.status, ended.message
    proposed = own.hyperparameters.values
    own.hyperparameters = ended.hyperparameters
    space = own.hyperparameters
    # On its way from a worker, a value is rounded to 32 bits: the proposed one is exact.
    values = {**space.values, **proposed}
    known = {hp.name for hp in space.space}
    extra = {name: value for name, value in values.items() if name not in known}
    space.values = {**genome.settle(space, values), **extra}


def check_costs(objectives: Sequence[keras_tuner.Objective], metrics: Mapping[str, Any]) -> None:
    """Refuses metrics that lack an objective which only `kerasnas.Tuner` measures.

    Raises:
        ValueError: A cost, or a value that is measured on a trial's file, is missing.
    """
    ours = [one.name for one in objectives if is_cost(one.name) or of_file(one.name)]
    if any(name not in metrics for name in ours):
        raise ValueError(
            f"Objectives that only kerasnas.Tuner reports: {', '.join(ours)}. Use it, or "
            f"report them too. Received: metrics={sorted(metrics)}"
        )


def take_metrics(
    trial: Trial,
    objectives: Sequence[keras_tuner.Objective],
    metrics: Mapping[str, Any],
    step: int,
) -> None:
    """Adds reported values to the metrics of a trial.

    Args:
        trial: The trial.
        objectives: The objectives of the search, which say whether large values are better.
        metrics: The reported values by name.
        step: The epoch in which they were measured.
    """
    directions = {objective.name: objective.direction for objective in objectives}
    for name, value in metrics.items():
        if not trial.metrics.exists(name):
            trial.metrics.register(name, directions.get(name) or direction(name))
        trial.metrics.update(name, value, step=step)


def score(trial: Trial, score_trial: Callable[[Trial], None]) -> None:
    """Scores a completed trial, and makes it INVALID if the score is not finite."""
    try:
        score_trial(trial)
    except Exception as error:
        trial.score = None
        trial.message = f"Cannot score the trial: {error}"
    if trial.score is not None and math.isfinite(trial.score):
        trial.score = float(trial.score)
        return
    trial.message = trial.message or f"The trial's score is {trial.score}."
    trial.status, trial.score = TrialStatus.INVALID, None


def check_consecutive_failures(ended: Sequence[Trial], limit: int | None) -> None:
    """Raises an error when the last trials of a search have all failed.

    Args:
        ended: All trials that have ended, in the order of their ends.
        limit: How many failures in a row are too many; None allows any number.

    Raises:
        RuntimeError: The last `limit` trials have failed.
    """
    if limit and [one.status for one in ended[-limit:]] == [TrialStatus.FAILED] * limit:
        raise RuntimeError(
            f"The last {limit} trials have failed "
            f"(max_consecutive_failed_trials={limit}).\n" + (ended[-1].message or "")
        )


def check_any_completed(
    ended: Sequence[Trial], running: Mapping[str, Trial], stop_reason: str | None = None
) -> None:
    """Raises an error when a search ends and none of its trials has completed.

    Args:
        ended: All trials that have ended, in the order of their ends.
        running: The trials that have not ended, by id.
        stop_reason: Why there will be no further proposal, or None.

    Raises:
        RuntimeError: All trials have failed.
    """
    if stop_reason and not ended and not running:
        raise RuntimeError(f"No trial could be run: {stop_reason}")
    if not ended or running or any(trial.status == TrialStatus.COMPLETED for trial in ended):
        return
    first = ended[0].message or "no reason was given"
    raise RuntimeError(
        f"No trial was completed: all {len(ended)} failed. Mend the cause and pass "
        "`overwrite=True` to begin anew; max_consecutive_failed_trials=3 ends a search at its "
        f"third failure in a row. The first failed with:\n{first}"
    )
