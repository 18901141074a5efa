"""Finds out whether a metric is better when it is small or when it is large.

Keras's own metrics tell by a private attribute, which is touched in this file only; read in keras
3.15.1 (`src/metrics/metric.py`, `src/metrics/reduction_metrics.py`).
"""

import re
from typing import Any, Literal

import keras

Direction = Literal["min", "max"]

# The end of a name says most: the "score" of "brier_score" is a word like any other, but the
# "accuracy" of "error_type_accuracy" is what is measured, of the output "error_type".
_SMALLER_ENDS = (
    *("loss", "error", "crossentropy", "cross_entropy", "ce", "bce", "cce", "divergence", "kld"),
    *("hinge", "huber", "log_cosh", "logcosh", "poisson", "mse", "mae", "mape", "msle", "rmse"),
    *("false_positives", "false_negatives"),
)
_LARGER_ENDS = (
    *("accuracy", "acc", "auc", "precision", "recall", "sensitivity", "specificity", "f1"),
    *("f1_score", "fbeta_score", "r2", "r2_score", "io_u", "iou", "correlation", "similarity"),
    *("psnr", "ssim", "true_positives", "true_negatives"),
)
_SMALLER_WORDS = (
    *("loss", "error", "crossentropy", "divergence", "hinge", "logcosh", "poisson", "false_"),
    *("perplexity", "distance", "deviation", "brier", "fid_", "inaccuracy", "rmse"),
)
_LARGER_WORDS = (
    *("accuracy", "precision", "recall", "sensitivity", "specificity", "similarity", "score"),
    *("true_", "fbeta", "coef"),
)
# Keras has losses of these names, and others have scores of them.
_LOSSES_OF_KERAS = ("dice", "tversky", "circle", "ctc")


def direction(name: str, metrics: Any = None) -> Direction | None:
    """Returns whether smaller or larger is better. Nothing else in kerasnas guesses this.

    Args:
        name: Its name in the logs of a training: "loss", "accuracy", "val_mae", "val_tflite_auc",
            "size_mae" of an output "size", "auc_1" for a second one, "weighted_acc".
        metrics: What the model is compiled with, in any structure: names, functions, classes,
            losses and metrics. One of that name is asked first: Keras's own say which way they
            point, and so does a class whose `_direction` is "up" or "down". The name of a
            function that a user wrote means less than it would of Keras's.

    Returns:
        "min", "max", or None where nothing tells.

    Example:

    >>> from kerasnas.data.direction import direction
    >>> direction("val_f1_score"), direction("val_loss"), direction("oddness")
    ('max', 'min', None)
    """
    found = metric_named(name, metrics)
    return _by_name(_in_training(name)) if found is None else of_metric(found)


def metric_named(name: str, metrics: Any) -> Any:
    """Returns the metric that a log belongs to, among those that a model is compiled with.

    Args:
        name: As `direction` takes it.
        metrics: As `direction` takes them.

    Returns:
        The metric as it was given; None if there is none.
    """
    name = _in_training(name)
    given = [metric for metric in keras.tree.flatten(metrics) if metric is not None]
    # Keras numbers metrics of the same name, and marks the weighted one of two that are the same.
    plain = re.sub(r"_\d+$", "", name)
    names = (name, plain, name.removeprefix("weighted_"), plain.removeprefix("weighted_"))
    exact = [metric for wanted in names for metric in given if _name(metric) == wanted]
    # If there are several outputs, the name of the output precedes that of the metric.
    of_output = [metric for metric in given if plain.endswith(f"_{_name(metric)}")]
    longest = max(of_output, key=lambda metric: len(_name(metric)), default=None)
    return exact[0] if exact else longest


def of_metric(metric: Any) -> Direction | None:
    """Returns the direction of a metric: by its class if that is known, otherwise by its name.

    Args:
        metric: A name, function, class, loss or metric.

    Returns:
        "min", "max", or None where nothing tells.
    """
    if isinstance(metric, str):
        return _by_name(metric)
    return stated(metric) or _by_name(_name(metric), of_user=True)


def stated(metric: Any) -> Direction | None:
    """Returns the direction that a metric states itself.

    It is None for a metric that does not, and for a name.
    """
    known = getattr(metric, "_direction", None)
    if known in ("up", "down"):
        return "max" if known == "up" else "min"
    function = getattr(metric, "_fn", metric)
    name = getattr(function, "__name__", "")
    is_loss = isinstance(function, keras.losses.Loss) or (
        isinstance(function, type) and issubclass(function, keras.losses.Loss)
    )
    if is_loss or (name and getattr(keras.losses, name, None) is function):
        return "min"
    if name and getattr(keras.metrics, name, None) is function:
        return _by_name(name)
    return None


def keras_tells(name: str, metrics: Any) -> bool:
    """Returns whether a callback of Keras finds the direction of a log by itself.

    It looks for a metric of that name, without the name of an output, and asks no names.

    Args:
        name: Name in the logs of a training, as `monitor` of a callback.
        metrics: What the model is compiled with.
    """
    name = name.removeprefix("val_")
    given = [metric for metric in keras.tree.flatten(metrics) if metric is not None]
    return name == "loss" or any(
        _name(metric) == name and _has_direction(metric) for metric in given
    )


def _has_direction(metric: Any) -> bool:
    if isinstance(metric, str):
        if metric in ("accuracy", "acc"):
            return True  # Keras chooses one of its accuracies only when it sees the data.
        metric = keras.metrics.get(metric)
    if isinstance(metric, type):
        return hasattr(metric(), "_direction")
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric)
    return hasattr(metric, "_direction")


def _in_training(name: str) -> str:
    return name.removeprefix("val_").removeprefix("tflite_")


def _name(metric: Any) -> str:
    """Returns the name that Keras gives a metric in its logs."""
    if isinstance(metric, str):
        return metric
    if isinstance(metric, type):
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", metric.__name__).lower()
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", ""))


def _by_name(name: str, of_user: bool = False) -> Direction | None:
    name = re.sub(r"_\d+$", "", name.lower())

    def ends_in(ends: tuple[str, ...]) -> bool:
        return any(name == end or name.endswith(f"_{end}") for end in ends)

    if ends_in(_SMALLER_ENDS):
        return "min"
    if ends_in(_LARGER_ENDS):
        return "max"
    if any(word in name for word in _SMALLER_WORDS):
        return "min"
    if any(word in name for word in _LARGER_WORDS):
        return "max"
    return "min" if ends_in(_LOSSES_OF_KERAS) and not of_user else None
