"""What a Keras model was compiled with, and its metrics once more.

Keras keeps it in private attributes. They are touched in this file only; read in keras 3.15.1
(`src/trainers/trainer.py`, `src/trainers/compile_utils.py`, `src/metrics/reduction_metrics.py`).
"""

from typing import Any

import keras


def given_metrics(model: keras.Model) -> tuple[Any, Any]:
    """What a model was compiled with as `metrics` and as `weighted_metrics`."""
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return None, None
    return compiled._user_metrics, compiled._user_weighted_metrics


def given_loss_weights(model: keras.Model) -> Any:
    """What a model was compiled with as `loss_weights`."""
    compiled = getattr(model, "_compile_loss", None)
    return None if compiled is None else compiled._user_loss_weights


def fresh_metrics(model: keras.Model) -> dict[str, Any]:
    """The metrics of a compiled model once more, for another model: with no state in common.

    Functions are taken as they are: by its name alone, one of a user could be taken for Keras's.

    Args:
        model: Compiled Keras 3 model.

    Returns:
        The arguments `metrics` and `weighted_metrics` of `keras.Model.compile`.

    Raises:
        ValueError: If a metric cannot be made again from its config.
    """
    metrics, weighted = (keras.tree.map_structure(_fresh, one) for one in given_metrics(model))
    return {"metrics": metrics, "weighted_metrics": weighted}


def _fresh(metric: Any) -> Any:
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    if type(metric) is keras.metrics.MeanMetricWrapper:
        return keras.metrics.MeanMetricWrapper(
            metric._fn, name=metric.name, dtype=metric.dtype, **metric._fn_kwargs
        )
    try:
        return type(metric).from_config(metric.get_config())
    except Exception as error:
        raise ValueError(
            f"The metrics that `model` is compiled with must be made again from their config, but "
            f"'{metric.name}' cannot: give {type(metric).__name__} a `get_config` that returns all "
            f"arguments of its constructor. Received: {error}"
        ) from error
