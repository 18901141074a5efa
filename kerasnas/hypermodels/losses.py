"""Whether a loss fits the head that `HyperModel` builds: probabilities of classes.

A network trains without a word where it does not: a softmax cannot give the numbers of a
regression, and the categorical cross-entropy of a single value is always 0.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import keras

_REGRESSION = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
)
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge")
_CATEGORICAL = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "kl_divergence",
    "cosine_similarity",
)
_CALL = keras.losses.Loss.__call__
_OF_NO_CLASSES = ("ctc", "circle")

_HEAD = "a subclass whose `head(self, hp, x)` ends in"
_LAYERS = "of kerasnas.hypermodels.layers"
_NUMBERS = (
    f"for a regression, {_HEAD} `dense(flatten(x, name='flat'), values, name='out')` {_LAYERS}, "
    "which gives numbers"
)
_LABELS = (
    f"for labels that do not exclude each other, {_HEAD} "
    f"`activate(dense(flatten(x, name='flat'), labels, name='out'), 'sigmoid', name='labels')` "
    f"{_LAYERS}"
)
_EXCLUSIVE = "for integer classes, leave `loss` out; for one-hot ones, 'categorical_crossentropy'"
_YES_OR_NO = "for yes or no, leave `loss` out, which is then 'binary_crossentropy'"


def default_loss(num_classes: int) -> str:
    """The loss of integer classes, or of yes and no where there is one."""
    return "binary_crossentropy" if num_classes == 1 else "sparse_categorical_crossentropy"


def check_loss(loss: Any, num_classes: int) -> None:
    """Refuses a loss of Keras's that does not fit a softmax, or a sigmoid for one class.

    Args:
        loss: As `keras.Model.compile` takes it: a name, function or instance, or these in a list
            or by name of the output. What is not Keras's own may mean anything, and passes; so
            does a subclass with a `call` of its own.
        num_classes: Number of classes; 1 for a sigmoid.

    Raises:
        ValueError: The loss does not fit, or there is none of this name. The way out is told.

    Example:

    >>> from kerasnas.hypermodels.losses import check_loss
    >>> check_loss("mse", 3)
    Traceback (most recent call last):
    ValueError: Argument `loss` does not fit the head that HyperModel builds for num_classes=3, ...
    """
    one = num_classes == 1
    head = "a sigmoid, one probability" if one else "a softmax, probabilities that sum to 1"
    ways = (_YES_OR_NO, _NUMBERS) if one else (_EXCLUSIVE, _NUMBERS, _LABELS)
    misfits = (*_REGRESSION, *_OF_NO_CLASSES, *(_CATEGORICAL if one else _BINARY))
    for name, from_logits in _of_keras(loss):
        if name in misfits or from_logits:
            given = f"'{name}' of logits (from_logits=True)" if from_logits else f"'{name}'"
            raise ValueError(
                f"Argument `loss` does not fit the head that HyperModel builds for num_classes="
                f"{num_classes}, {head}. Use another loss or head: {'; '.join(ways)}. "
                f"Received: loss={loss!r}, which is {given}"
            )


def check_names(loss: Any) -> None:
    """Refuses the name of a loss that Keras does not know.

    Args:
        loss: As `keras.Model.compile` takes it.

    Raises:
        ValueError: There is none of this name. Those that there are are listed.
    """
    for _ in _of_keras(loss):
        pass


def _of_keras(loss: Any) -> Iterator[tuple[str, bool]]:
    """The name of each of Keras's own losses in it, and whether it takes logits."""
    if isinstance(loss, Mapping) and "class_name" not in loss:
        loss = list(loss.values())
    if isinstance(loss, list | tuple):
        for one in loss:
            yield from _of_keras(one)
        return
    given: dict[str, Any] = {}
    while isinstance(loss, functools.partial):
        given = {**loss.keywords, **given}
        loss = loss.func
    try:
        found = keras.losses.get(loss)
    except (TypeError, ValueError) as error:
        if isinstance(loss, str):
            raise ValueError(
                f"Argument `loss` must be the name of a loss: {', '.join(_known())}; or a function "
                f"or an instance of your own. Received: loss={loss!r}"
            ) from error
        return  # Not Keras's: what `compile` makes of it is not known here.
    if isinstance(found, keras.losses.Loss) and _calls_keras(found):
        given = found.get_config()
        found = getattr(found, "fn", None)
    name = getattr(found, "__name__", "")
    if found is not None and getattr(keras.losses, name, None) is found:
        yield name, bool(given.get("from_logits", False))


def _calls_keras(loss: keras.losses.Loss) -> bool:
    """Whether it computes what one of Keras's losses does, also as a subclass of one."""
    owner = next(one for one in type(loss).__mro__ if "call" in vars(one))
    return owner.__module__.startswith("keras.") and type(loss).__call__ is _CALL


def _known() -> list[str]:
    """The names of Keras's losses."""
    others = ("deserialize", "get", "serialize")
    return [name for name in dir(keras.losses) if name[0].islower() and name not in others]
