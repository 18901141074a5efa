"""The best trials of a search in the order of what their files score."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_tuner.engine.trial import Trial

from kerasnas.compression import Compressed, Quantize, compress
from kerasnas.compression.recipe import checked_recipe
from kerasnas.oracles.engine.objectives import float_name
from kerasnas.runtime.errors import describe
from kerasnas.runtime.session import clear_session, kept_random_state
from kerasnas.tuners import tflite_objectives
from kerasnas.tuners.trial import TrialRunner


def rerank(
    tuner: TrialRunner,
    trials: Sequence[Trial],
    k: int,
    fit: Mapping[str, Any],
    recipe: Any = None,
) -> list[dict[str, Any]]:
    """Compress trials and sort them by the scores of their files.

    Args:
        tuner: The tuner that ran them.
        trials: The best completed trials, the best first.
        k: How many there should be.
        fit: Arguments of `keras.Model.fit` by name: the data.
        recipe: Steps for all of them; None for the hypermodel's own, or int8 after training.

    Returns:
        A dict a trial, as `kerasnas.Tuner.rerank` describes it.

    Raises:
        ValueError: There are fewer trials, no validation data, or a recipe that is none; or the
            objective is no metric of a file.
    """
    if not trials:
        raise ValueError(
            f"There is no completed trial to compress: call `search` first. Received: k={k}"
        )
    if len(trials) < k:
        raise ValueError(
            f"Argument `k` must be at most the number of completed trials, {len(trials)}. "
            f"Received: k={k}"
        )
    given = None if recipe is None else checked_recipe(recipe)
    score = tflite_objectives.TFLiteScorer.of_fit(
        (), fit, trains=True, seed=tuner._seed, target=tuner._target
    )
    objective = tuner._metric_objective()
    metric = float_name(objective.name).removeprefix("val_")
    found: list[dict[str, Any]] = []
    for rank, trial in enumerate(trials, start=1):
        result: dict[str, Any] = {
            "trial_id": trial.trial_id,
            "score": trial.score,
            "metric": metric,
            "value": None,
            "bytes": None,
            "rank_before": rank,
            "rank_after": None,
            "compressed": None,
            "message": None,
        }
        values: dict[str, float] = {}
        try:
            steps = given or tflite_objectives.recipe_of(tuner.hypermodel, trial.hyperparameters)
            compressed, values = _compress(
                tuner, trial, steps or [Quantize("int8", method="ptq")], score
            )
        except Exception as error:
            result["message"] = describe(error)
        else:
            result["compressed"], result["bytes"] = compressed, len(compressed.tflite)
            if metric not in values:
                raise ValueError(
                    f"The objective '{objective.name}' is no metric of the model, by which its "
                    f"file could be scored. Known are: {', '.join(values)}"
                )
            result["value"] = values[metric]
        found.append(result)
    sign = -1 if objective.direction == "max" else 1
    found.sort(key=lambda result: _place(result["value"], sign))
    for rank, result in enumerate(found, start=1):
        result["rank_after"] = rank
    return found


def _compress(
    tuner: TrialRunner, trial: Trial, recipe: Sequence[Any], score: tflite_objectives.TFLiteScorer
) -> "tuple[Compressed, dict[str, float]]":
    with kept_random_state():
        # The file holds the names of layers: numbered as in the trial, it is the same file.
        clear_session()
        model = tuner.load_model(trial)
        compressed = compress(
            model,
            recipe,
            train_data=score.train,
            validation_data=score.validation,
            seed=score.seed,
            target=score.target,
        )
        return compressed, score.measure(model, compressed.tflite)


def _place(value: float | None, sign: int) -> tuple[bool, float]:
    """Sorts values; None and NaN come last, and equal ones stay in their order."""
    if value is None or not math.isfinite(value):
        return True, 0.0
    return False, sign * value
