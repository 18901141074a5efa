"""What a step of a compression recipe is."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.training import Training
from kerasnas.export.conversion import convert
from kerasnas.tflite.reader import TFLiteFile

# Patterns that a step gives to the weights, as the errors about the order of a recipe name them.
ZEROS, SHARED_VALUES = "zeros", "shared values"


@dataclasses.dataclass(frozen=True)
class Step(ABC):
    """One transformation of a network in a recipe, with one line in the report.

    A step of your own is a frozen dataclass of a subclass: of `BridgedStep`, which changes the
    tf_keras rebuild of the network, or of `KerasStep`, which changes the Keras model itself. Its
    arguments are the fields of the dataclass.

    Attributes:
        final: Whether it must be the last step of a recipe.
        leaves: The pattern that it gives to the weights and that later training could lose, such
            as "zeros"; "" if it gives none.
    """

    final: ClassVar[bool] = False
    leaves: ClassVar[str] = ""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in the report."""

    @property
    @abstractmethod
    def how(self) -> str:
        """Its method in the report's words: "magnitude pruning", "post-training", ..."""

    @property
    def trained_epochs(self) -> int:
        """Passes over the training data; 0 for a step that does not train."""
        return 0

    @property
    def rewrite(self) -> Callable[[LayerGraph], LayerGraph] | None:
        """Brings the network into the form that the step needs; None if it takes any form."""
        return None

    def keeps(self, pattern: str) -> bool:
        """Tells whether the weights still have a pattern after this step.

        Args:
            pattern: What an earlier step of the recipe `leaves`.

        Returns:
            False unless a subclass knows that it keeps this pattern.
        """
        return False

    def undone_by(self, later: "Step") -> str | None:
        """Tells why a step must not come after this one in a recipe.

        A recipe asks each of its steps for each step after it, before any work.

        Args:
            later: A later step of the same recipe.

        Returns:
            The reason, for an error that names both steps; None if `later` may follow. Unless a
            subclass knows better, that is so if `later` keeps the pattern that this step leaves.
        """
        if not self.leaves or later.keeps(self.leaves):
            return None
        if not later.trained_epochs:
            return f"it does not keep the {self.leaves}"
        return f"training without their pattern would lose the {self.leaves}"

    def idle_before(self, later: Sequence["Step"]) -> str | None:
        """Tells why this step would do nothing in a recipe.

        Args:
            later: All steps that follow it.

        Returns:
            The end of a sentence that begins with the name of the step and says what to do; None
            if the step does something.
        """
        return None


class BridgedStep(Step):
    """A step that changes the tf_keras rebuild of a network.

    Example:

    ```python
    @dataclasses.dataclass(frozen=True)
    class Clip(kn.compression.BridgedStep):
        limit: float = 1.0

        name = "clip"
        how = "clipped weights"

        def keeps(self, pattern):
            return True  # Zeros stay zeros, and equal values stay equal.

        def apply(self, model, training):
            model.set_weights([np.clip(w, -self.limit, self.limit) for w in model.get_weights()])
            return model
    ```
    """

    def check(self, graph: LayerGraph) -> None:
        """Raises ValueError if the step cannot do the network, before any work.

        Args:
            graph: The network, in the form that the steps of the recipe need.
        """

    @abstractmethod
    def apply(self, model: Any, training: Training) -> Any:
        """Changes the network.

        Args:
            model: tf_keras model.
            training: What to train with, and what earlier steps have done.

        Returns:
            The changed tf_keras model.
        """

    def export(self, model: Any, training: Training) -> bytes | TFLiteFile:
        """Makes the `.tflite` file of the changed network, in float unless a subclass overrides it.

        Args:
            model: What `apply` returned.
            training: What it was given.

        Returns:
            Bytes of the file, or the file parsed.
        """
        return convert(model, representative_data=training.fed)

    def undone_by(self, later: Step) -> str | None:
        """Refuses what `Step` refuses, and steps that change the Keras model."""
        if (reason := super().undone_by(later)) is not None:
            return reason
        if not isinstance(later, KerasStep):
            return None
        return (
            f"it {'trains' if self.trained_epochs else 'changes'} the tf_keras rebuild, which is "
            f"made again from the Keras model that {type(later).__name__} changes"
        )


class FineTuning:
    """What the steps share that train with Adam. Each has these arguments in an order of its own.

    Args:
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        learning_rate: Learning rate of Adam.
    """

    epochs: int
    batch_size: int
    learning_rate: float

    @property
    def trained_epochs(self) -> int:
        """Passes over the training data."""
        return self.epochs

    def check_training(self, least_epochs: int = 1) -> None:
        """Raises ValueError if one of these arguments is of another kind or out of range."""
        step = type(self).__name__
        check_number(step, "epochs", self.epochs, int, least_epochs)
        check_number(step, "batch_size", self.batch_size, int, 1)
        check_number(step, "learning_rate", self.learning_rate, float, 0)


class KerasStep(Step):
    """A step that changes the Keras 3 model itself."""

    def check(self, model: keras.Model) -> None:
        """Raises ValueError if the step cannot do the model, before any work.

        Args:
            model: Compiled Keras 3 model.
        """

    @abstractmethod
    def apply_to_keras(self, model: keras.Model, training: Training) -> keras.Model:
        """Changes the model.

        Args:
            model: Compiled Keras 3 model. It must not be changed.
            training: What to train with.

        Returns:
            The changed model, compiled.
        """


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


def check_choice(step: str, argument: str, value: Any, allowed: Sequence[str]) -> None:
    """Checks a word that a step is made with.

    Args:
        step: Class name of the step.
        argument: Name of its argument.
        value: What was given.
        allowed: What it may be.

    Raises:
        ValueError: If it is something else.
    """
    if value not in allowed:
        words = " or ".join(map(repr, allowed)) if len(allowed) == 2 else f"one of {allowed}"
        raise ValueError(
            f"`{step}({argument}=...)` must be {words}. Received: {argument}={value!r}"
        )


def step_text(step: Any) -> str:
    """Returns a step as text that makes it again, without arguments that have their default.

    Args:
        step: A dataclass.
    """
    given = [
        f"{field.name}={value!r}"
        for field in dataclasses.fields(step)
        if field.repr and (value := getattr(step, field.name)) != field.default
    ]
    return f"{type(step).__name__}({', '.join(given)})"
