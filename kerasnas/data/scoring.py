"""Scores predictions, of whatever made them, with the metrics of a Keras 3 model."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import is_nested
from kerasnas.data.dataset import output_names
from kerasnas.data.direction import Direction, direction
from kerasnas.keras_models.compiled import fresh_metrics, given_loss_weights


class Scorer:
    """Scores predictions with the loss and metrics that a model is compiled with.

    The float model, the pruned one and the `.tflite` file are all scored by the same Keras 3 code.

    Args:
        model: Compiled Keras 3 model.

    Raises:
        ValueError: If the metrics cannot be made again from their config.
    """

    def __init__(self, model: keras.Model) -> None:
        ends = [
            keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in model.outputs
        ]
        # Metrics may be given by the name of an output, which is that of the layer that makes it.
        named = [
            keras.layers.Identity(name=name)(end)
            for name, end in zip(distinct(output_names(model)), ends, strict=True)
        ]
        outputs: Any = named[0]
        if not isinstance(model, keras.Sequential):
            outputs = keras.tree.pack_sequence_as(model.output, named)
        self._passing = keras.Model(ends, outputs)
        # The loss has no state to share, and the config of Huber (3.15.1) loses its delta.
        self._passing.compile(
            loss=model.loss, loss_weights=given_loss_weights(model), **fresh_metrics(model)
        )

    def score(self, predictions: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Scores predictions.

        Args:
            predictions: Array of predictions, or a list with one for each output.
            y: Targets, as the model's own `evaluate` takes them.
            sample_weight: Weights of the samples, likewise.

        Returns:
            Dict from "loss" and the names of the metrics to values, in the order in which the model
            is compiled with them. Of a metric of several values, such as F1Score, it is their mean.
        """
        several = isinstance(predictions, list | tuple)
        arrays = [np.asarray(array) for array in (predictions if several else [predictions])]
        structure = self._passing.output
        if isinstance(y, list) and (is_nested(structure) or isinstance(sample_weight, list)):
            y = keras.tree.pack_sequence_as(structure, keras.tree.flatten(y))
        if isinstance(sample_weight, list):
            sample_weight = keras.tree.pack_sequence_as(structure, sample_weight)
        self._passing.evaluate(arrays, y, batch_size=256, verbose=0, sample_weight=sample_weight)
        # What `evaluate` returns is sorted by name; this is in the order of compilation.
        logs = self._passing.get_metrics_result()
        return {
            name: float(np.mean(keras.ops.convert_to_numpy(value))) for name, value in logs.items()
        }

    def direction(self, name: str) -> Direction | None:
        """Returns whether smaller or larger values of a metric are better.

        Args:
            name: As in what `score` returns.

        Returns:
            "min" if smaller is better, "max", or None where neither Keras nor its name tells.
        """
        metrics = [getattr(metric, "metrics", metric) for metric in self._passing.metrics]
        return direction(name, metrics)


def first_metric(logs: dict[str, float]) -> str:
    """Returns the name of the first metric of an evaluation, or "loss" if there is none."""
    metrics = [name for name in logs if name != "loss" and not name.endswith("_loss")]
    return metrics[0] if metrics else "loss"


def drop(name: str, direction: str | None, before: float, after: float) -> float:
    """Returns how much worse a metric has become.

    Args:
        name: Of the metric, for the message.
        direction: "min" if smaller is better, or "max".
        before: Value before.
        after: Value after.

    Returns:
        Positive if it became worse.

    Raises:
        ValueError: If the direction is not known.
    """
    if direction is None:
        raise ValueError(
            f"Whether '{name}' is to be large or small is not known, so no drop of it can be "
            "judged. Compile the model with another metric first, or set `_direction` of its class "
            "to 'up' or 'down', as Keras's own metrics do"
        )
    return after - before if direction == "min" else before - after


def distinct(names: Sequence[str]) -> list[str]:
    """Numbers names that occur more than once, as Keras numbers metrics.

    Args:
        names: Names, such as those of the layers that make the outputs of a model.

    Returns:
        As many names, all different: the first of each as it is, the others with the first number
        that gives a name which nothing else has.

    Example:

    >>> distinct(["scores", "scores", "scores_1"])
    ['scores', 'scores_2', 'scores_1']
    """
    found: list[str] = []
    for name in names:
        free = (f"{name}_{n}" for n in itertools.count(1) if f"{name}_{n}" not in (*names, *found))
        found.append(next(free) if name in found else name)
    return found
