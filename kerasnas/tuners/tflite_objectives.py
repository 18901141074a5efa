"""Scores a trial's model as the file that would be deployed."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import keras_tuner

from kerasnas.compression.pipeline import transform
from kerasnas.compression.recipe import checked_recipe
from kerasnas.data.dataset import dataset
from kerasnas.data.scoring import Scorer
from kerasnas.data.splits import train_and_validation
from kerasnas.export import Interpreter, measure_latency, to_tflite
from kerasnas.hypermodels.recipe import has_recipe, read_recipe
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.objectives import FILE_METRIC, float_name, is_cost, members, of_file
from kerasnas.tuners.costs import told
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.inputs import bind_fit

# The converter measures the ranges of activations on so many samples at most.
_CALIBRATION = 512
_SHOWN = 400  # How many characters of an error of the converter are shown.


def wanted(oracle: Oracle | ForeignOracle) -> list[str]:
    """Returns the objectives and limits of an oracle that are measured on a trial's file."""
    return sorted({one.name for one in told(oracle) if of_file(one.name)})


def metric_objective(oracle: Oracle | ForeignOracle) -> keras_tuner.Objective:
    """Returns the objective of an oracle that is a metric: the first that is no cost."""
    found = (one for one in oracle.objectives if not is_cost(one.name))
    return next(found, oracle.objectives[0])


def trained_objective(oracle: Oracle | ForeignOracle) -> keras_tuner.Objective:
    """Returns the objective by which the best epoch of a training is chosen.

    For a metric of the file that is the metric of the training.
    """
    found = metric_objective(oracle)
    if not of_file(found.name):
        return found
    return keras_tuner.Objective(float_name(found.name), found.direction)


def check(oracle: Oracle | ForeignOracle, hypermodel: Any) -> None:
    """Raises an error if the oracle cannot use scores of files, or a recipe would have no use."""
    names = wanted(oracle)
    if not names and has_recipe(hypermodel):
        raise ValueError(
            f"{type(hypermodel).__name__}.recipe has no effect where no file is scored: search for "
            'objective="val_tflite_accuracy" or another of the file, or compress the best trials '
            "afterwards with `tuner.rerank(k, ..., recipe=[...])`. "
            f"Received: objective={[one.name for one in members(oracle.objective)]}"
        )
    if names and oracle.reports:
        raise ValueError(
            f"{type(oracle).__name__} judges a training while it runs, and a file is scored when "
            'it has ended: use kerasnas.Hyperband, or objective="val_accuracy" and then '
            f"`tuner.rerank(k, ...)`. Received: {', '.join(names)}"
        )
    if names and isinstance(oracle, ForeignOracle) and len(members(oracle.objective)) > 1:
        raise ValueError(
            f"Several objectives of which one is measured on a file ({', '.join(names)}) need an "
            f"oracle of kerasnas.oracles. Received: oracle of type {oracle.kind}"
        )


def recipe_of(hypermodel: keras_tuner.HyperModel, hp: keras_tuner.HyperParameters) -> Any:
    """Returns the steps that a hypermodel compresses a network with, or None if it does not say.

    Raises:
        ValueError: They are no recipe.
    """
    if not has_recipe(hypermodel):
        return None
    return checked_recipe(read_recipe(hypermodel, hp))


def check_model(model: Any) -> None:
    """Raises an error if the file of a model could not be scored, before anything is trained.

    Raises:
        ValueError: It is no graph of layers, or a metric of it cannot be made again.
    """
    if not model.built:
        return  # Training will build the model.
    if not (getattr(model, "inputs", None) and getattr(model, "outputs", None)):
        raise ValueError(
            "A model that is scored as a file must be Sequential or Functional, with inputs of "
            f"known shape. Received: {type(model).__name__}"
        )
    Scorer(model)


@dataclasses.dataclass(frozen=True)
class TFLiteScorer:
    """Turns a trained model into the file that would be deployed, and scores that file.

    Args:
        train: Tuple (x, y, sample_weight) of arrays, for calibration and the training of a
            recipe's steps; the last may be None or left out.
        validation: Likewise, for scores.
        seed: Of a recipe's training.
        target: The runtime that the file is for, "litert" or "micro".
    """

    train: tuple[Any, ...]
    validation: tuple[Any, Any, Any]
    seed: int = 0
    target: Literal["litert", "micro"] = "litert"

    @classmethod
    def of_fit(
        cls,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        trains: bool,
        seed: int,
        target: Literal["litert", "micro"] = "litert",
    ) -> "TFLiteScorer":
        """Finds the data in the arguments of `fit`.

        Args:
            args: Positional arguments.
            kwargs: Keyword arguments.
            trains: Whether a recipe will train, which takes all the training data.
            seed: Of that training.
            target: The runtime that the files are for.

        Returns:
            What scores the trials of that data.

        Raises:
            ValueError: No validation data, or a generator, which can be read only once.
        """
        fit = bind_fit(tuple(args), kwargs)
        train, validation = train_and_validation(fit, None if trains else _CALIBRATION)
        return cls(train, validation, seed, target)

    def measure(self, model: keras.Model, tflite: bytes) -> dict[str, float]:
        """Scores a file with the loss and metrics of the model that it was made from.

        Args:
            model: The compiled model.
            tflite: The file.

        Returns:
            Values by name: "loss" and the model's metrics.
        """
        data = dataset("validation_data", self.validation, model)
        predicted = Interpreter(tflite).predict(data.fed)
        return Scorer(model).score(predicted, data.y, data.sample_weight)

    def __call__(
        self, model: keras.Model | None, recipe: Sequence[Any] | None, names: Sequence[str]
    ) -> dict[str, float]:
        """Scores a trained model as the file that it becomes.

        Args:
            model: A compiled, trained model; None where `fit` handed none over.
            recipe: Steps; None for int8 after training.
            names: The objectives of the file that the search needs.

        Returns:
            Values by the names of the objectives: those asked for, and all metrics.

        Raises:
            keras_tuner.errors.FailedTrialError: The file cannot be made or run.
            keras_tuner.errors.FatalError: The model has no such metric, or there is no model.
        """
        if model is None:
            raise keras_tuner.errors.FatalTypeError(
                "A `fit` of your own must pass on the callbacks that it is given: they hand over "
                "the model whose file is scored"
            )
        try:
            if recipe is None:
                tflite = to_tflite(model, "int8", self.train[0], target=self.target)
            else:
                # Without a report of each step only the last stage is converted and scored.
                data = dataset("x", self.train, model)
                compressed, *_ = transform(model, recipe, data, self.seed, target=self.target)
                tflite = compressed.data
            found = {f"{FILE_METRIC}{n}": v for n, v in self.measure(model, tflite).items()}
            found["tflite_size"] = float(len(tflite))
            if "tflite_latency_ms" in names:
                found["tflite_latency_ms"] = measure_latency(tflite).median
        except Exception as error:
            # A search shows the first line of the message only.
            raise keras_tuner.errors.FailedTrialError(
                "the file of the trained model cannot be made or scored: "
                + textwrap.shorten(str(error), _SHOWN, placeholder=" ...")
            ) from error
        unknown = [name for name in names if name not in found]
        if unknown:
            raise keras_tuner.errors.FatalValueError(
                f"Objective '{unknown[0]}' is not among what is measured on a file. Choose one of: "
                f"{', '.join(found)}, tflite_latency_ms. Received: objective={unknown[0]!r}"
            )
        return found
