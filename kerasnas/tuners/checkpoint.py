"""The weights of a trial's best epoch: kept while it trains, written once, read back."""

import json
import math
import os
from typing import Any

import keras
import keras_tuner
import numpy as np

_SUFFIX = ".weights.h5"  # keras.Model.save_weights takes no other.


class BestEpoch(keras.callbacks.Callback):
    """Keep the weights of each execution's best epoch, and write those of the best of them.

    They stay in memory until `write`, so that an execution writes one file, whole or not at all. An
    epoch whose loss is not finite ends the trial.

    Args:
        objective: What is best. Epochs that do not report it are each better than the last.
        path: Path of the file, ending in ".weights.h5".

    Attributes:
        epochs: Number of epochs trained, in the last execution.
        params: Number of weights of the model.
    """

    def __init__(self, objective: keras_tuner.Objective, path: str) -> None:
        super().__init__()
        self.objective = objective
        self.path = path
        self.epochs = 0
        self.params: int | None = None
        self._worst = -math.inf if objective.direction == "max" else math.inf
        self._best, self._written = self._worst, self._worst
        self._weights: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start counting the epochs."""
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the weights if this epoch is the best of its execution.

        Raises:
            ArithmeticError: The loss is not finite.
        """
        logs = logs or {}
        self.epochs += 1
        for name in ("loss", "val_loss"):
            loss = logs.get(name)
            if loss is not None and not math.isfinite(loss):
                raise ArithmeticError(f"the {name} is {float(loss)} after epoch {epoch + 1}")
        if self.objective.has_value(logs):
            value = self.objective.get_value(logs)
            if not self.objective.better_than(value, self._best):
                return
            self._best = value
        self._weights = [np.array(variable) for variable in _variables(self.model)]

    def write(self) -> None:
        """End an execution: give its model the weights kept, and write them if they are the best.

        Of executions that do not report the objective, each is better than the last.
        """
        if self.model is not None and self.model.built:
            self.params = self.model.count_params()
        weights, self._weights = self._weights, None
        best, self._best = self._best, self._worst
        if weights is None:
            return
        for variable, value in zip(_variables(self.model), weights, strict=True):
            variable.assign(value)
        if best != self._worst and not self.objective.better_than(best, self._written):
            return
        self._written = best
        temporary = f"{self.path.removesuffix(_SUFFIX)}.tmp{_SUFFIX}"
        self.model.save_weights(temporary)
        # The flush of the journal that ends the trial comes after: one flush a trial serves both.
        os.replace(temporary, self.path)


def build_optimizer(model: keras.Model) -> None:
    """Make the variables of a built model's optimizer, if it has one and they are not made yet."""
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def load_weights(model: keras.Model, checkpoint: str, build_config: str) -> None:
    """Give a model the weights and the optimizer's state of a trial's best epoch.

    Args:
        model: The model, built or not.
        checkpoint: Path of the weights.
        build_config: Path of the build config, read if the model is not built.

    Raises:
        ValueError: A file is missing, cannot be read or belongs to another architecture.
    """
    path = build_config
    try:
        if not model.built:
            with open(build_config, encoding="utf-8") as file:
                model.build_from_config(json.load(file))
            # Keras (3.15) builds the layers of a subclassed model, and forgets to say so of itself.
            model.built = True
        # Weights loaded before that would leave the moments and the step count at zero.
        build_optimizer(model)
        path = checkpoint
        model.load_weights(checkpoint)
    except FileNotFoundError as error:
        raise ValueError(
            f"The trial left no checkpoint at {path}: a `fit` of your own must pass on the "
            "callbacks that it is given"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"The checkpoint {path} cannot be read: {error}") from error


def _variables(model: keras.Model) -> list[Any]:
    optimizer = model.optimizer.variables if model.optimizer is not None else []
    return [*model.weights, *optimizer]
