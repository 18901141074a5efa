"""What a step of a compression recipe is."""

from typing import Any, Protocol

from kerasnas.compression.bridge.graph import Graph
from kerasnas.compression.training import Training


class Step(Protocol):
    """One transformation of a network, with one line in the report."""

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
    def rewrites(self) -> bool:
        """Whether it needs the network in canonical form."""

    @property
    def dtype(self) -> str:
        """Of the activations in the file it exports, for the estimate of RAM."""

    def check(self, graph: Graph) -> None:
        """Raises ValueError if the step cannot do the network, before any work."""

    def apply(self, model: Any, training: Training) -> Any:
        """Returns the transformed tf_keras model."""

    def export(self, model: Any, training: Training) -> bytes:
        """Returns the `.tflite` file of what `apply` returned."""


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
