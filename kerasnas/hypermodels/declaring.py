"""Declares a whole space with all of its scopes, and says when one name is declared in two ways."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import keras_tuner


class NotSymbolicError(Exception):
    """The hypermodel uses raw Keras layers: its cost is known only once it is built."""


class DeclaringHyperParameters(keras_tuner.HyperParameters):
    """KerasTuner's container, which keeps the first declaration of a name without a word.

    Private parts as read in KerasTuner 1.4.8 (`hyperparameters.py:196`): every way to declare a
    hyperparameter ends in `_retrieve`.

    Example:

    >>> from kerasnas.hypermodels.declaring import DeclaringHyperParameters
    >>> hp = DeclaringHyperParameters()
    >>> hp.Int("units", 4, 16)
    4
    """

    def _retrieve(self, hp: Any) -> Any:
        for known in self._hps.get(hp.name, ()):
            together = known.conditions == hp.conditions or (
                self.is_active(known) and self.is_active(hp)
            )
            if together and _range(known) != _range(hp):
                warnings.warn(
                    f"Hyperparameter {hp.name!r} is declared in two ways, and the first counts: "
                    f"{known!r} and {hp!r}. Give them two names, or one range",
                    UserWarning,
                    stacklevel=4,
                )
        return super()._retrieve(hp)

    def copy(self) -> "DeclaringHyperParameters":
        """A container of the same space and values."""
        made: DeclaringHyperParameters = type(self).from_config(self.get_config())
        return made


def declared_by(visit: Callable[[keras_tuner.HyperParameters], None]) -> DeclaringHyperParameters:
    """Returns all hyperparameters of a space.

    Args:
        visit: Callable that asks a container for the hyperparameters that are active with its
            values. It is called until every conditional scope was active once.
    """
    declared = DeclaringHyperParameters()
    tried: list[list[Any]] = []
    while True:
        visit(declared)
        tried += declared.active_scopes
        ahead = next((scope for scope in declared.inactive_scopes if scope not in tried), None)
        if ahead is None:
            return declared
        tried.append(copy.deepcopy(ahead))
        fresh = DeclaringHyperParameters.from_config(
            {"space": declared.get_config()["space"], "values": {}}
        )
        for condition in ahead:
            fresh.values[condition.name] = condition.values[0]
        # What the conditions leave open takes its default, as in a first build.
        for hyperparameter in fresh.space:
            if fresh.is_active(hyperparameter):
                fresh.values.setdefault(hyperparameter.name, hyperparameter.default)
        declared = fresh


class _Uncompiled:
    """Stands for the model where `compile` is run for the hyperparameters that it declares."""

    def compile(self, *_: Any, **__: Any) -> None:
        """Takes the arguments of `keras.Model.compile`."""


def compile_nothing(compile: Callable[[Any, Any], None], hp: Any) -> None:
    """Runs the `compile` of a hypermodel without a model, for what it reads.

    Args:
        compile: The method.
        hp: Hyperparameters.

    Raises:
        NotSymbolicError: It needs a real model.
    """
    try:
        compile(hp, _Uncompiled())
    except Exception as error:
        raise NotSymbolicError(f"{type(error).__name__}: {error}") from error


def _range(hp: Any) -> dict[str, Any]:
    config: dict[str, Any] = hp.get_config()
    del config["conditions"]
    return {"type": type(hp).__name__, **config}
