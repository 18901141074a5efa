"""Checks of what `search` is given, before the first trial and before a file is touched."""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import keras_tuner

from kerasnas.data.direction import metric_named, of_metric, stated
from kerasnas.keras_models.compiled import given_metrics
from kerasnas.oracles.engine.objectives import float_name
from kerasnas.tuners.callbacks import list_of_callbacks
from kerasnas.tuners.reported import has_own_step, metric_names

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = r"\d+(?:\.\d+)?"
_WAYS_TO_READ_AGAIN = (
    "Pass arrays, a `keras.utils.PyDataset` or a `tf.data.Dataset`, such as "
    "`tf.data.Dataset.from_generator(...)`, which every trial reads from its start"
)
_DATA = ("x", "y", "sample_weight")


def parse_duration(value: float | str | None) -> float | None:
    """Reads the argument `max_time`.

    Args:
        value: Seconds, or a string with units such as "90s", "30m", "2h", "1h30m", "1d".

    Returns:
        Seconds, or None for no limit.

    Raises:
        ValueError: A string that does not read as a duration, or nothing above zero.
        TypeError: Neither a number nor a string.

    Example:

    >>> parse_duration("1h30m")
    5400.0
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip().lower()
        parts = re.findall(rf"({_NUMBER})([smhd])", text)
        if re.fullmatch(_NUMBER, text):
            seconds = float(text)
        elif re.fullmatch(rf"({_NUMBER}[smhd]\s*)+", text):
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        else:
            raise ValueError(
                'Argument `max_time` must be seconds or a string such as "90s", "30m", "2h" or '
                f'"1h30m". Received: max_time={value!r}'
            )
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            'Argument `max_time` must be a number of seconds or a string such as "2h". '
            f"Received: max_time={value!r} of type {type(value).__name__}"
        )
    else:
        seconds = float(value)
    if not seconds > 0:
        raise ValueError(f"Argument `max_time` must be above 0. Received: max_time={value!r}")
    return seconds


def bind_fit(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `search` by the names that `keras.Model.fit` has for them.

    Raises:
        TypeError: An argument that `fit` does not take.
    """
    signature = inspect.signature(keras.Model.fit)
    try:
        bound = signature.bind(None, *args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(
            f"The arguments of `search` are passed on to `fit`, which does not take them: {error}"
        ) from None
    bound.pop("self")
    return dict(bound)


def check_takes(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Checks that a method of the user's own takes what every trial will give it.

    Raises:
        TypeError: It does not. Every trial would fail.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(
            f"`{name}{signature}` does not take what every trial gives it, by position what "
            f"`search` is given so, and by name {', '.join(sorted(kwargs)) or 'nothing'}: {error}"
        ) from None


def check_data(fit: Mapping[str, Any]) -> None:
    """Checks that inputs, targets and weights are not empty and of one length.

    Args:
        fit: Arguments of `keras.Model.fit` by name. Data sets and generators are left alone.

    Raises:
        ValueError: Data that is missing, empty, of different lengths, or not validated every epoch.
        TypeError: Lists of Python numbers, which Keras does not take.
    """
    if fit.get("x") is None:
        raise ValueError(
            "`search` needs training data: search(x, y, ...) or search(dataset, ...). "
            "Received: x=None"
        )
    _check_lengths({name: fit.get(name) for name in _DATA}, "")
    if fit.get("validation_freq", 1) != 1:
        raise ValueError(
            "Argument `validation_freq` must be 1: the best epoch of a trial is chosen among all "
            f"of them. Received: validation_freq={fit['validation_freq']!r}"
        )
    validation = fit.get("validation_data")
    if not isinstance(validation, (tuple, list)):
        return
    if not 2 <= len(validation) <= 3:
        raise ValueError(
            "Argument `validation_data` must be (x, y) or (x, y, sample_weight). "
            f"Received: a {type(validation).__name__} of {len(validation)}"
        )
    _check_lengths(dict(zip(_DATA, validation, strict=False)), "validation_data: ")


def check_generators(fit: Mapping[str, Any], max_trials: int | None, executions: int) -> None:
    """Refuses a Python generator that the first training would use up, if others follow.

    Args:
        fit: Arguments of `keras.Model.fit` by name.
        max_trials: Trials of the search, None for any number.
        executions: Trainings of a trial.

    Raises:
        ValueError: A generator that an epoch reads to its end.
    """
    if max_trials == 1 and executions == 1:
        return
    for name, steps in (("x", "steps_per_epoch"), ("validation_data", "validation_steps")):
        if inspect.isgenerator(fit.get(name)) and fit.get(steps) is None:
            raise ValueError(
                f"Argument `{name}` is a generator: the first trial would read it to its end, and "
                f"no other could be trained. {_WAYS_TO_READ_AGAIN}. Received: {name}={fit[name]!r}"
            )


def check_unread(arguments: Any) -> None:
    """Refuses a Python generator that an earlier training has read to its end.

    Args:
        arguments: What a trial is trained with: tuples, lists and dicts of anything.

    Raises:
        FatalValueError: A generator has ended.
    """
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    if isinstance(arguments, (list, tuple)):
        for value in arguments:
            check_unread(value)
    elif inspect.isgenerator(arguments) and inspect.getgeneratorstate(arguments) == "GEN_CLOSED":
        raise keras_tuner.errors.FatalValueError(
            "A generator has come to its end in an earlier trial, so this one has no data. "
            f"{_WAYS_TO_READ_AGAIN}. Received: {arguments!r}"
        )


def _check_lengths(data: dict[str, Any], where: str) -> None:
    lengths = {
        label: length
        for name, value in data.items()
        if value is not None
        for label, length in _lengths(value, f"{where}{name}")
    }
    received = ", ".join(f"len({label})={length}" for label, length in lengths.items())
    if 0 in lengths.values():
        raise ValueError(f"The data must not be empty. Received: {received}")
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"Inputs, targets and weights must have one row a sample. Received: {received}"
        )


def _lengths(data: Any, label: str) -> Iterator[tuple[str, int]]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _lengths(value, f"{label}[{name!r}]")
    elif isinstance(data, (list, tuple)):
        if not data:
            yield label, 0
        for position, value in enumerate(data):
            yield from _lengths(value, f"{label}[{position}]")
    elif isinstance(data, (bool, int, float, str)):
        name = label.partition("[")[0]
        raise TypeError(
            f"Argument `{name}` must be an array, or a list or dict of arrays: pass "
            f"numpy.asarray({name}). Received: a list with {data!r} of type {type(data).__name__}"
        )
    elif getattr(data, "shape", None) is not None:
        if len(data.shape) == 0:
            raise ValueError(f"Argument `{label}` must have one row a sample. Received: a scalar")
        if isinstance(data.shape[0], int):
            yield label, data.shape[0]


def check_objective(
    objective: keras_tuner.Objective, model: keras.Model, fit: Mapping[str, Any]
) -> None:
    """Checks that training this model with these arguments reports the objective.

    Args:
        objective: The objective of the search.
        model: A model that the hypermodel built.
        fit: Arguments of `keras.Model.fit` by name.

    Raises:
        ValueError: The model is not compiled, its metrics lack the objective, the metric points
            another way than its name told, or a "val_" objective comes without validation data.
    """
    if not model.compiled:
        raise ValueError(
            "The hypermodel's model is not compiled: call `model.compile(...)` in it, or pass "
            "`optimizer` and `loss` to the tuner"
        )
    check_direction(objective, model)
    callbacks = list_of_callbacks(fit.get("callbacks"))
    of_keras = all(type(callback).__module__.startswith("keras.") for callback in callbacks)
    if has_own_step(model) or not of_keras:
        return  # They may report anything; the first trial will tell.
    known = metric_names(model)
    if known is None:
        return
    validated = fit.get("validation_data") is not None or fit.get("validation_split")
    for name in getattr(objective, "name_to_direction", None) or [objective.name]:
        base = float_name(name).removeprefix("val_")
        if base not in known:
            choices = [*known, *(f"val_{metric}" for metric in known)]
            raise ValueError(
                "The objective must be a metric of the compiled model: "
                f"{', '.join(choices)}. Received: objective={name!r}"
            )
        if name != base and not validated:
            raise ValueError(
                f"The objective {name!r} is measured on validation data: pass `validation_data` "
                f"or `validation_split` to `search`, or choose {base!r}. Received: neither"
            )


def check_direction(objective: keras_tuner.Objective, model: keras.Model) -> None:
    """Checks that the direction of an objective is that of the metric of its name.

    Args:
        objective: An objective of the search, or of a limit.
        model: A compiled model that the hypermodel built.

    Raises:
        ValueError: The direction was told by the name alone, and the metric of that name points
            another way, or may: it is a user's own.
    """
    metric = metric_named(objective.name, given_metrics(model))
    if metric is None:
        return
    found = of_metric(metric)
    if found == objective.direction:
        return
    if getattr(objective, "told_by_name", False):
        large = "large" if objective.direction == "max" else "small"
        raise ValueError(
            f"Whether '{objective.name}' is to be large or small is not clear: its name says "
            f"{large}, but the model's metric {metric!r} "
            + ("does not tell" if found is None else "says otherwise")
            + f'. Pass kn.Objective("{objective.name}", "max") or "min". '
            f"Received: objective={objective.name!r}"
        )
    if stated(metric) or (found and isinstance(metric, str)):
        warnings.warn(
            f"The search looks for the worst '{objective.name}': the direction of its objective is "
            f'"{objective.direction}", and the metric is better the other way. Pass '
            f'kn.Objective("{objective.name}", "{found}") unless that is meant.',
            stacklevel=2,
        )
