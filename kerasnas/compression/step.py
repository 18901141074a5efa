"""What a step of a compression recipe is."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.training import Training


class _Reported(Protocol):
    """What the report and the order of a recipe need to know of a step."""

    @property
    def name(self) -> str:
        """Its name in the report."""

    @property
    def how(self) -> str:
        """Its method in the report's words: "magnitude pruning", "post-training", ..."""

    @property
    def trained_epochs(self) -> int:
        """Passes over the training data; 0 without training."""

    @property
    def final(self) -> bool:
        """Whether nothing can follow it in a recipe."""

    @property
    def rewrite(self) -> Callable[[LayerGraph], LayerGraph] | None:
        """What brings the network into the form that it needs, if it needs any."""


@runtime_checkable
class BridgedStep(_Reported, Protocol):
    """A transformation of the tf_keras rebuild of a network, with one line in the report."""

    def check(self, graph: LayerGraph) -> None:
        """Raises ValueError if the step cannot do the network, before any work."""

    def apply(self, model: Any, training: Training) -> Any:
        """Returns the transformed tf_keras model."""

    def export(self, model: Any, training: Training) -> bytes:
        """Returns the `.tflite` file of what `apply` returned."""


@runtime_checkable
class KerasStep(_Reported, Protocol):
    """A transformation of the Keras 3 model itself, with one line in the report."""

    def check(self, model: keras.Model) -> None:
        """Raises ValueError if the step cannot do the model, before any work."""

    def apply_to_keras(self, model: keras.Model, training: Training) -> keras.Model:
        """Returns the transformed model, compiled."""


Step = BridgedStep | KerasStep


def unbox(step: Any) -> None:
    """Puts Python's numbers in the place of numpy's, which TFMOT and a recipe's text do not take.

    Args:
        step: A frozen dataclass.
    """
    for field in dataclasses.fields(step):
        object.__setattr__(step, field.name, _unboxed(getattr(step, field.name)))


def _unboxed(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return tuple(map(_unboxed, value))
    return {key: _unboxed(v) for key, v in value.items()} if isinstance(value, dict) else value


def check_number(
    step: str, argument: str, value: Any, kind: type, low: float, below: float = float("inf")
) -> None:
    """Checks a number that a step is made with.

    Args:
        step: Class name of the step.
        argument: Name of its argument.
        value: What was given.
        kind: `int` or `float`.
        low: Smallest value allowed.
        below: First value not allowed.

    Raises:
        ValueError: If the value is of another kind or out of range.
    """
    is_number = isinstance(value, int if kind is int else int | float)
    if isinstance(value, bool) or not is_number or not low <= value < below:
        upper = "" if below == float("inf") else f" and below {below}"
        raise ValueError(
            f"`{step}({argument}=...)` must be {'an int' if kind is int else 'a number'} of at "
            f"least {low}{upper}. Received: {argument}={value!r}"
        )


def step_text(step: Any) -> str:
    """A step as text that makes it again, without what is as by default.

    Args:
        step: A dataclass.
    """
    given = [
        f"{field.name}={value!r}"
        for field in dataclasses.fields(step)
        if field.repr and (value := getattr(step, field.name)) != field.default
    ]
    return f"{type(step).__name__}({', '.join(given)})"
