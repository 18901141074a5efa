"""Puts the best trials of a search into the order of what their files score."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.compression import Compressed, Quantize, compress
from kerasnas.compression.recipe import checked_recipe
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.objectives import float_name, sort_key
from kerasnas.runtime.errors import describe
from kerasnas.runtime.session import clear_session, kept_random_state
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.tflite_objectives import TFLiteScorer, metric_objective, recipe_of


@dataclasses.dataclass(frozen=True)
class FileRanking:
    """Compresses the best trials of a search, and sorts them by the scores of their files.

    Args:
        tuner: The tuner, whose `load_model` gives a trial's trained model, and whose hypermodel may
            have a recipe.
        oracle: What the tuner asks.
        seed: Of the training in a recipe's steps.
        target: The runtime that the files are for.
    """

    tuner: keras_tuner.Tuner
    oracle: Oracle | ForeignOracle
    seed: int
    target: Literal["litert", "micro"]

    def rank(
        self, trials: Sequence[Trial], k: int, fit: Mapping[str, Any], recipe: Any = None
    ) -> list[dict[str, Any]]:
        """Compresses and sorts trials.

        Args:
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
        score = TFLiteScorer.of_fit((), fit, trains=True, seed=self.seed, target=self.target)
        objective = metric_objective(self.oracle)
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
            try:
                steps = given or recipe_of(self.tuner.hypermodel, trial.hyperparameters)
                steps = steps or [Quantize("int8", method="ptq")]
                compressed, values = self._compress(trial, steps, score)
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
        found.sort(key=lambda result: sort_key(result["value"], objective))
        for rank, result in enumerate(found, start=1):
            result["rank_after"] = rank
        return found

    def _compress(
        self, trial: Trial, recipe: Sequence[Any], score: TFLiteScorer
    ) -> tuple[Compressed, dict[str, float]]:
        """Compresses a trial's model, and gives the scores of its file too."""
        with kept_random_state():
            # The file holds the names of layers. Keras numbers them through a session: in a new one
            # they are those of the trial, and the file is the same.
            clear_session()
            model = self.tuner.load_model(trial)
            compressed = compress(
                model,
                recipe,
                train_data=score.train,
                validation_data=score.validation,
                seed=score.seed,
                target=score.target,
            )
            return compressed, score.measure(model, compressed.tflite)
