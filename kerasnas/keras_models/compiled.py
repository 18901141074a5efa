"""Reads what a Keras model was compiled with, and makes its metrics anew.

Keras keeps it in private attributes. They are touched in this file only; read in keras 3.15.1
(`src/trainers/trainer.py`, `src/trainers/compile_utils.py`, `src/metrics/reduction_metrics.py`).
"""

from typing import Any

import keras


def given_metrics(model: keras.Model) -> tuple[Any, Any]:
    """Returns the arguments `metrics` and `weighted_metrics` that a model was compiled with."""
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return None, None
    return compiled._user_metrics, compiled._user_weighted_metrics


def given_loss_weights(model: keras.Model) -> Any:
    """Returns the argument `loss_weights` that a model was compiled with."""
    compiled = getattr(model, "_compile_loss", None)
    return None if compiled is None else compiled._user_loss_weights


def compile_anew(
    model: keras.Model, optimizer: Any = None, loss: Any = None, metrics: Any = None
) -> None:
    """Compiles a model again with some other arguments; the rest stays as it was.

    Args:
        model: Keras 3 model, compiled or not.
        optimizer: As `keras.Model.compile` takes it. Of an object the model gets a copy, since one
            that has trained a model cannot train another.
        loss: Likewise; None keeps the model's, with its `loss_weights`.
        metrics: Likewise. What the model has as `weighted_metrics` it keeps.
    """
    if isinstance(optimizer, keras.optimizers.Optimizer):
        optimizer = type(optimizer).from_config(optimizer.get_config())
    given, weighted = given_metrics(model)
    rest: dict[str, Any] = {}
    # A `compile` that the user has overridden may take only these three arguments.
    if model.compiled and type(model).compile is keras.Model.compile:
        rest = {
            "loss_weights": None if loss else given_loss_weights(model),
            "weighted_metrics": weighted,
            "run_eagerly": model.run_eagerly,
            "steps_per_execution": model.steps_per_execution,
            "jit_compile": model.jit_compile,
        }
    model.compile(
        optimizer=optimizer or getattr(model, "optimizer", None) or "rmsprop",
        loss=loss or model.loss,
        metrics=metrics or given,
        **rest,
    )


def fresh_metrics(model: keras.Model) -> dict[str, Any]:
    """Returns new metrics like those of a compiled model, for another model, without common state.

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
