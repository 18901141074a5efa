"""A container of hyperparameters that says when one name is declared in two ways."""

import warnings
from typing import Any

import keras_tuner


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


def _range(hp: Any) -> dict[str, Any]:
    config: dict[str, Any] = hp.get_config()
    del config["conditions"]
    return {"type": type(hp).__name__, **config}
