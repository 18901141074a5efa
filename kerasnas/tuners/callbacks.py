"""Checks of the callbacks that `search` is given, before the first trial."""

from typing import Any

import keras

from kerasnas.data.direction import keras_tells
from kerasnas.keras_models.compiled import given_metrics
from kerasnas.tuners.reported import has_own_step, metric_names


def list_of_callbacks(callbacks: Any) -> list[Any]:
    """Returns callbacks as a list: `None` as an empty one, a single callback as a list of one."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def check_types(callbacks: Any) -> None:
    """Raises an error unless all are callbacks: with anything else every trial would fail.

    Args:
        callbacks: As `keras.Model.fit` takes them.

    Raises:
        TypeError: One is a class, or an object that Keras cannot call as a callback.
    """
    for callback in list_of_callbacks(callbacks):
        if isinstance(callback, type):
            way_out = f"pass an instance, {callback.__name__}(...), not the class"
        elif not hasattr(callback, "set_model"):
            way_out = "write a subclass of keras.callbacks.Callback"
        else:
            continue
        raise TypeError(
            f"Argument `callbacks` must be instances of keras.callbacks.Callback; {way_out}. "
            f"Received: {callback!r}"
        )


def check_monitors(callbacks: Any, model: keras.Model) -> None:
    """Raises an error if a callback of Keras monitors what the training does not report.

    Every trial would fail with it.

    Args:
        callbacks: As `keras.Model.fit` takes them.
        model: A compiled model that the hypermodel built.

    Raises:
        ValueError: A callback does not say which way its metric is better, and Keras cannot tell.
    """
    if has_own_step(model):
        return
    for callback in list_of_callbacks(callbacks):
        monitor = getattr(callback, "monitor", None)
        of_keras = type(callback).__module__.startswith("keras.")
        if not of_keras or not isinstance(monitor, str):
            continue
        told = getattr(callback, "mode", "auto") in ("min", "max")
        if told or keras_tells(monitor, given_metrics(model)):
            continue
        known = metric_names(model) or []
        missing = bool(known) and monitor.removeprefix("val_") not in known
        raise ValueError(
            f"The callback {type(callback).__name__} monitors {monitor!r}, "
            + (
                f"which the training does not report. It reports: {', '.join(known)}, and each "
                "with 'val_' before it"
                if missing
                else "and Keras cannot tell whether that is to be large or small: pass "
                'mode="max" or mode="min" to the callback'
            )
            + f". Received: monitor={monitor!r}"
        )
