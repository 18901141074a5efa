"""Finds the names of the metrics that a training will report, before it begins."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras


def has_own_step(model: keras.Model) -> bool:
    """Returns whether a model's class has its own training step, which may report anything."""
    # Under a backend that cannot train, such as numpy, a model has no such method.
    return getattr(type(model), "train_step", None) is not getattr(keras.Model, "train_step", None)


def metric_names(model: keras.Model) -> list[str] | None:
    """Returns the names that Keras will give the loss and the metrics, without "val_".

    Args:
        model: Compiled Keras 3 model.

    Returns:
        The names, "loss" first; of a model of several outputs those of each output, such as
        "size_mae" and "size_loss". None where they cannot be told before training.

    Example:

    >>> import keras
    >>> from kerasnas.tuners.reported import metric_names
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> metric_names(model)
    ['loss', 'mae']
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns that a lambda is unsafe to save.
            config = model.get_compile_config()
    except TypeError:  # A metric that is a class or another object without a config.
        return None
    outputs = _outputs(model)
    if outputs is None:
        return None
    given = [config.get(argument) for argument in ("loss", "metrics", "weighted_metrics")]
    if not outputs and any(isinstance(_plain(one), dict) for one in given):
        return None  # A subclassed model tells the names of its outputs only when called.
    found = [name for metrics in given[1:] for name in _names_of(metrics, outputs)]
    if None in found or len(set(found)) < len(found):
        return None  # Keras numbers names that occur twice.
    losses = _outputs_with_loss(given[0], outputs)
    return ["loss", *(f"{name}_loss" for name in losses), *(name for name in found if name)]


def _outputs(model: keras.Model) -> list[str] | None:
    """The names of a model's outputs: [] for a subclassed model, None if they are nested."""
    names = list(getattr(model, "output_names", None) or [])
    if names and isinstance(model.output, dict):
        return list(model.output) if len(model.output) == len(names) else None
    return names


def _plain(given: Any) -> Any:
    """What is given, but None for an object, whose config is a dict as well."""
    return None if isinstance(given, dict) and "class_name" in given else given


def _names_of(given: Any, outputs: list[str]) -> Iterator[str | None]:
    """The names of what is given; None for one that cannot be told."""
    by_output = _by_output(given, outputs)
    if len(outputs) < 2 or not given:
        yield from _names(given)
    elif by_output is None:
        yield None
    else:
        for output, metrics in by_output.items():
            for name in _names(metrics):
                yield None if name is None else f"{output}_{name}"


def _by_output(given: Any, outputs: list[str]) -> dict[str, Any] | None:
    """What is given, by the names of the outputs; None if it is nested in another way."""
    if isinstance(given, list) and len(given) == len(outputs):
        return dict(zip(outputs, given, strict=True))
    if isinstance(_plain(given), dict) and {*given} <= {*outputs}:
        return given
    return None


def _outputs_with_loss(loss: Any, outputs: list[str]) -> list[str]:
    if len(outputs) < 2:
        return []
    by_output = _by_output(loss, outputs)
    # A single loss is used for each output.
    found = outputs if by_output is None else [name for name, one in by_output.items() if one]
    return list(found) if len(found) > 1 else []


def _names(metrics: Any) -> Iterator[str | None]:
    if isinstance(metrics, str):
        yield metrics
    elif isinstance(metrics, dict) and "class_name" in metrics:
        config = metrics.get("config")
        yield config if isinstance(config, str) else (config or {}).get("name")
    elif isinstance(metrics, (dict, list, tuple)):
        for value in metrics.values() if isinstance(metrics, dict) else metrics:
            yield from _names(value)
