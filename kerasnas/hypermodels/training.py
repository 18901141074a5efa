"""How a network is trained, as a user writes it: each argument fixed, or searched."""

import contextlib
import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasnas.hypermodels.hyperparameters import Hyperparameters, decide, scope
from kerasnas.hypermodels.losses import check_names
from kerasnas.runtime.arguments import check_choice, check_integer, check_number
from kerasnas.training.augment import Augmentation
from kerasnas.training.optimizers import DEFAULT_RATES
from kerasnas.training.schedules import SCHEDULES
from kerasnas.training.targets import targets_of

# What `compile` uses, and what `fit` uses.
_COMPILED = (
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup",
    "weight_decay",
    "clip_norm",
    "clip_value",
    "loss",
)
_FITTED = ("batch_size", "augmentation", "label_smoothing", "class_weight", "early_stopping")
_WAYS = "; a list is a choice to search, a pair such as (1e-4, 1e-2) a range"
_CHOICES = "; a list is a choice to search"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained: each argument is fixed, or searched.

    A list is a choice, and a tuple of two numbers a range that is searched on a logarithmic scale.
    What is searched is a hyperparameter such as "training/learning_rate". It does not change the
    network, so it costs nothing on a device; but two settings that differ in it are two trials.

    Args:
        optimizer: "adam", "adamw", "sgd", "momentum" (SGD with a momentum of .9), "nesterov",
            "adagrad", "rmsprop" or "lion".
        learning_rate: The largest rate of the training; None for one that suits the optimizer. A
            dict gives each optimizer that is searched a rate of its own.
        schedule: "cosine" falls to zero at the end of the trial's epochs; "constant", "one_cycle"
            and "step" are the others (`kerasnas.training.schedules.RateSchedule`). A trial of
            Hyperband that is trained on begins a schedule of its own.
        warmup: Share of the steps in which the rate rises; None for the schedule's own: a tenth,
            0.3 for "one_cycle", none for "constant".
        weight_decay: Decoupled, of the kernels only; None for the optimizer's own, which is 0.004
            for "adamw" and none for the others.
        label_smoothing: Share of each label that goes to all classes alike, in the training only:
            `val_loss` stays comparable.
        loss: As `keras.Model.compile` takes it; None for that of the hypermodel.
        batch_size: Samples in a step; None for that of `search`, or 32.
        clip_norm: Largest length of all gradients together, or None.
        clip_value: Largest size of each value of a gradient, or None.
        augmentation: One of `kerasnas.augment`, or a list of them, which are done in this order. A
            list that holds lists or None is a choice between them.
        class_weight: "balanced" for classes that count alike though there are few samples of some,
            a dict of weights by class, or None.
        early_stopping: After so many epochs without a better `val_loss` (`loss` where there is no
            validation) the training ends; None for never. The tuner keeps the best epoch anyway.

    Raises:
        ValueError: An argument is not as described.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel(
    ...     (28, 28, 1),
    ...     10,
    ...     training=kn.Training(
    ...         optimizer=["adam", "sgd"],
    ...         augmentation=[kn.augment.Shift(2), kn.augment.Mixup(0.2)],
    ...         batch_size=[32, 64],
    ...     ),
    ... )
    """

    optimizer: str | Sequence[str] = "adam"
    learning_rate: Any = None
    schedule: str | Sequence[str] = "cosine"
    warmup: Any = None
    weight_decay: Any = None
    label_smoothing: Any = 0.0
    loss: Any = None
    batch_size: Any = None
    clip_norm: Any = None
    clip_value: Any = None
    augmentation: Any = None
    class_weight: Any = None
    early_stopping: Any = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if isinstance(value, (list, tuple)) and not value and name != "augmentation":
                raise ValueError(
                    f"Argument `{name}` must hold at least one value to choose from. "
                    f"Received: {name}={value!r}"
                )
            if _is_range(value) and not 0 < value[0] < value[1]:
                raise ValueError(
                    f"Argument `{name}` as a range must be (least, largest) with 0 < least < "
                    f"largest, as it is searched on a logarithmic scale. Received: {name}={value!r}"
                )
            for one in self.alternatives(name):
                check(one)
        self._check_rates()
        if any(self.alternatives("clip_norm")) and any(self.alternatives("clip_value")):
            raise ValueError(
                "Argument `clip_norm` excludes `clip_value`, as Keras clips in one way: leave one "
                f"out. Received: clip_norm={self.clip_norm!r}, clip_value={self.clip_value!r}"
            )

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the arguments that are searched."""
        names = [field.name for field in dataclasses.fields(self)]
        rates = self.learning_rate
        several = isinstance(rates, Mapping) and any(
            _is_range(rate) or len(_several(rate)) > 1 for rate in rates.values()
        )
        return tuple(
            name
            for name in names
            if _is_range(getattr(self, name))
            or len(self.alternatives(name)) > 1
            or (name == "learning_rate" and several)
        )

    def alternatives(self, name: str) -> list[Any]:
        """Returns the values that an argument may take: one where it is fixed.

        Args:
            name: Name of the argument.

        Returns:
            The values of a choice, or both ends of a range. Of `augmentation` they are lists.
        """
        value = getattr(self, name)
        return _policies(value) if name == "augmentation" else _several(value)

    def compiled(self, hp: Hyperparameters) -> "Training":
        """Decides what `compile` uses.

        Args:
            hp: Where the choices are declared.

        Returns:
            A training in which those arguments are fixed. The rate is a number.
        """
        optimizer = self._decided(hp, "optimizer")
        found = {"optimizer": optimizer, "learning_rate": self._rate(hp, optimizer)}
        found |= {name: self._decided(hp, name) for name in _COMPILED[2:]}
        return dataclasses.replace(self, **found)

    def fitted(self, hp: Hyperparameters) -> "Training":
        """Decides what `fit` uses.

        Args:
            hp: Where the choices are declared.

        Returns:
            A training in which those arguments are fixed. The augmentation is a list.
        """
        return dataclasses.replace(self, **{name: self._decided(hp, name) for name in _FITTED})

    def fixed(self) -> "Training":
        """Returns a training whose augmentation is a list, of one in which nothing is searched."""
        return dataclasses.replace(self, augmentation=self.alternatives("augmentation")[0])

    def _decided(self, hp: Hyperparameters, name: str) -> Any:
        values = self.alternatives(name)
        if name == "label_smoothing" and len(values) > 1 and isinstance(self.loss, list):
            # It matters only for the losses that take it.
            smooth = [one for one in self.loss if _can_be_smoothed(one)]
            if 0 < len(smooth) < len(self.loss):
                with scope(hp, "training/loss", _labels([*self.loss], smooth)):
                    return _chosen(hp, f"training/{name}", getattr(self, name), values) or 0.0
        return _chosen(hp, f"training/{name}", getattr(self, name), values)

    def _rate(self, hp: Hyperparameters, optimizer: str) -> Any:
        given = self.learning_rate
        if isinstance(given, Mapping):
            found: Any = DEFAULT_RATES[optimizer]
            for one in _several(self.optimizer):
                if one not in given:
                    continue
                with _only_for(hp, self.optimizer, one):
                    rate = self._rate_of(hp, f"training/{one}/learning_rate", given[one], one)
                found = rate if one == optimizer else found
            return found
        return self._rate_of(hp, "training/learning_rate", given, optimizer)

    def _rate_of(self, hp: Hyperparameters, name: str, given: Any, optimizer: str) -> Any:
        usual = DEFAULT_RATES[optimizer]
        if _is_range(given):
            # One default, whatever the optimizer: a name has one range and one default.
            default = DEFAULT_RATES[_several(self.optimizer)[0]]
            return _chosen(hp, name, given, [], default)
        values = [usual if one is None else one for one in _several(given)]
        return values[0] if len(values) == 1 else _chosen(hp, name, given, values)

    def _check_rates(self) -> None:
        if not isinstance(self.learning_rate, Mapping):
            return
        known = _several(self.optimizer)
        for name, rate in self.learning_rate.items():
            if name not in known:
                raise ValueError(
                    f"Argument `learning_rate` as a dict must have names of optimizers that are "
                    f"searched: {', '.join(known)}. Received: {name!r}"
                )
            # The same checks, with the same messages.
            Training(learning_rate=rate)


def _number(name: str, **limits: Any) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        check_number(name, value, hint=_WAYS, **limits)

    return check


def _check_rate(value: Any) -> None:
    if not isinstance(value, Mapping):
        check_number("learning_rate", value, above=0, optional=True, hint=_WAYS)


def _check_loss(value: Any) -> None:
    if value is not None:
        check_names(value)


def _check_policy(value: Sequence[Any]) -> None:
    for one in value:
        if not isinstance(one, Augmentation):
            raise ValueError(
                "Argument `augmentation` must be augmentations, such as "
                "[kerasnas.augment.Shift(2), kerasnas.augment.Mixup(0.2)]; a list of such lists is "
                f"a choice to search, where None is for none. Received: {one!r}"
            )


def _check_class_weight(value: Any) -> None:
    if value is None or value == "balanced":
        return
    fits = isinstance(value, Mapping) and all(
        isinstance(name, numbers.Integral)
        and isinstance(weight, numbers.Real)
        and 0 <= float(weight) < math.inf
        for name, weight in value.items()
    )
    if not fits:
        raise ValueError(
            "Argument `class_weight` must be 'balanced', a dict of weights by the class's number, "
            f"such as {{0: 1.0, 1: 5.0}}, or None{_CHOICES}. Received: class_weight={value!r}"
        )


_CHECKS: dict[str, Callable[[Any], None]] = {
    "optimizer": lambda v: check_choice("optimizer", v, list(DEFAULT_RATES), hint=_CHOICES),
    "learning_rate": _check_rate,
    "schedule": lambda v: check_choice("schedule", v, SCHEDULES, hint=_CHOICES),
    "warmup": _number("warmup", least=0, most=1, optional=True),
    "weight_decay": _number("weight_decay", least=0, optional=True),
    "label_smoothing": _number("label_smoothing", least=0, most=0.99),
    "loss": _check_loss,
    "batch_size": lambda v: check_integer("batch_size", v, least=1, optional=True, hint=_WAYS),
    "clip_norm": _number("clip_norm", above=0, optional=True),
    "clip_value": _number("clip_value", above=0, optional=True),
    "augmentation": _check_policy,
    "class_weight": _check_class_weight,
    "early_stopping": lambda v: check_integer("early_stopping", v, least=1, optional=True),
}


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(one, numbers.Real) and not isinstance(one, bool) for one in value)
    )


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_fixed(training: Any) -> None:
    """Raises an error unless something is a training in which nothing is searched."""
    if not isinstance(training, Training):
        raise TypeError(
            "Argument `training` must be a kerasnas.Training or None. "
            f"Received: training={training!r}"
        )
    if training.searched:
        raise ValueError(
            "Argument `training` must be fixed, as nothing is searched here: give one value for "
            f"each of {', '.join(training.searched)}. Received: training={training!r}"
        )


def _policies(value: Any) -> list[list[Any]]:
    """The policies to choose from: lists of augmentations."""
    given = _several(value)
    if value is None or not any(one is None or isinstance(one, (list, tuple)) for one in given):
        return [[] if value is None else given]
    return [[] if one is None else _several(one) for one in given]


def _chosen(
    hp: Hyperparameters, name: str, given: Any, values: list[Any], default: float | None = None
) -> Any:
    """Declares what is searched, and returns the value; None in a scope that is not active."""
    if _is_range(given):
        least, largest = given
        if all(isinstance(one, numbers.Integral) for one in given):
            return hp.Int(name, int(least), int(largest), step=2, sampling="log")
        if default is None or not least <= default <= largest:
            default = math.sqrt(least * largest)
        return hp.Float(name, float(least), float(largest), sampling="log", default=default)
    labels = _labels(values, values)
    if len(set(map(str, labels))) < len(labels):
        raise ValueError(
            f"Argument `{name.rpartition('/')[2]}` holds a value twice. Received: {given!r}"
        )
    found = decide(hp, name, labels)
    return None if found is None else values[labels.index(found)]


def _labels(values: list[Any], wanted: list[Any]) -> list[Any]:
    """What stands for values in a search, whose choices are texts, or numbers of one kind."""
    if all(isinstance(one, str) for one in values):
        return wanted
    if all(isinstance(one, numbers.Integral) and not isinstance(one, bool) for one in values):
        return [int(one) for one in wanted]
    if all(isinstance(one, numbers.Real) and not isinstance(one, bool) for one in values):
        return [float(one) for one in wanted]
    return [_label(one) for one in wanted]


def _label(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return " + ".join(map(str, value))
    named = getattr(value, "name", None) or getattr(value, "__name__", None)
    return named if isinstance(named, str) else str(value)


def _can_be_smoothed(loss: Any) -> bool:
    found = targets_of(loss, (None, 2))
    return found is not None and found.kind != "numbers"


def _only_for(hp: Hyperparameters, optimizers: Any, name: str) -> Any:
    several = len(_several(optimizers)) > 1
    return scope(hp, "training/optimizer", [name]) if several else contextlib.nullcontext()
