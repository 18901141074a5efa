"""Distillation: a teacher's outputs guide the training of the steps that follow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.distillation_loss import DistillationLoss
from kerasnas.compression.step import BridgedStep, FineTuning, Step, check_number, unbox
from kerasnas.compression.training import Training
from kerasnas.data.arrays import packed
from kerasnas.data.dataset import output_names
from kerasnas.keras_models.keras_2 import from_tf_keras, is_tf_keras


@dataclass(frozen=True)
class Distill(FineTuning, BridgedStep):
    """Lets the steps after it learn from a teacher's outputs beside the targets.

    It changes the loss that every later step trains with to `mix` times the distance from the
    teacher plus `1 - mix` times the model's own loss. For a crossentropy of classes that distance
    is the crossentropy of the softened distributions, times the square of the temperature; for any
    other loss it is that loss towards the teacher's outputs.

    Args:
        teacher: Keras 3 or tf_keras model with the inputs and outputs of the model to compress;
            where that gives probabilities, the teacher must give them, too. None for the model
            itself, as it was before compression.
        temperature: Above 0; the higher, the softer the teacher's distribution over classes.
        mix: Weight of the teacher, between 0 and 1.
        epochs: Passes over the training data before the next step; 0 only guides what follows.
        batch_size: Samples in a training step.
        learning_rate: Learning rate of Adam.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531,
        section 2.

    Example:

    ```python
    recipe = [kn.Distill(), kn.Prune(0.8), kn.Quantize("int8")]
    kn.compress(model, recipe, train_data=(x, y), validation_data=(xv, yv))
    ```
    """

    teacher: keras.Model | None = field(default=None, repr=False)
    temperature: float = 4.0
    mix: float = 0.5
    epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 1e-3

    name = "distill"

    def __post_init__(self) -> None:
        unbox(self)
        if is_tf_keras(self.teacher):
            object.__setattr__(self, "teacher", from_tf_keras(self.teacher))
        if self.teacher is not None and not isinstance(self.teacher, keras.Model):
            raise ValueError(
                "`Distill(teacher=...)` must be a Keras 3 model. "
                f"Received: teacher of {type(self.teacher)}"
            )
        check_number("Distill", "temperature", self.temperature, float, 1e-3)
        check_number("Distill", "mix", self.mix, float, 0, 1.0 + 1e-9)
        self.check_training(least_epochs=0)

    @property
    def how(self) -> str:
        """The method in the report's words."""
        return f"teacher '{self.teacher.name}'" if self.teacher is not None else "self-distillation"

    def keeps(self, pattern: str) -> bool:
        """Keeps every pattern unless it trains."""
        return not self.epochs

    def undone_by(self, later: Step) -> str | None:
        """Refuses nothing unless it trains: the loss that it sets reaches every later step."""
        return super().undone_by(later) if self.epochs else None

    def idle_before(self, later: Sequence[Step]) -> str | None:
        """Needs training to guide: its own, or that of a later step."""
        if self.epochs or any(step.trained_epochs for step in later):
            return None
        return (
            "guides nothing where no step after it trains: put it before one that does, or give "
            "it epochs of its own"
        )

    def check(self, graph: LayerGraph) -> None:
        """Refuses a teacher with other inputs or outputs."""
        if any(len(tensor.shape) < 2 for tensor in graph.outputs):
            raise ValueError(
                "`Distill` takes outputs with a dimension beside that of the samples: leave out "
                f"the Reshape that drops it. Received: '{graph.name}'"
            )
        if self.teacher is None:
            return
        if not self.teacher.built or not hasattr(self.teacher, "inputs"):
            raise ValueError(
                "`Distill(teacher=...)` must be a built Sequential or Functional model. "
                f"Received: '{self.teacher.name}'"
            )
        for what in ("inputs", "outputs"):
            own = [tuple(tensor.shape[1:]) for tensor in getattr(graph, what)]
            given = [tuple(tensor.shape[1:]) for tensor in getattr(self.teacher, what)]
            if (sorted(own) != sorted(given)) if what == "inputs" else (own != given):
                raise ValueError(
                    f"`Distill(teacher=...)` must have {what} of shapes {own}, as '{graph.name}' "
                    f"has. Received: '{self.teacher.name}' with {given}"
                )

    def apply(self, model: Any, training: Training) -> Any:
        """Sets what later steps train towards, and trains if epochs are asked for."""
        teacher = training.model if self.teacher is None else self.teacher
        arrays = _matched(
            training.x,
            [tensor.name for tensor in training.model.inputs],
            [tensor.name for tensor in teacher.inputs],
        )
        outputs = keras.tree.flatten(teacher.predict(packed(arrays, teacher), verbose=0))
        heard = _matched(
            [np.asarray(output) for output in outputs],
            output_names(teacher),
            output_names(training.model),
        )
        training.distillation = DistillationLoss(heard, self.temperature, self.mix)
        if self.teacher is not None:
            training.distillation.check(training.loss)
        if self.epochs:
            training.fit(model, self.epochs, self.batch_size, self.learning_rate)
        return model


def _matched(arrays: list[np.ndarray], names: list[str], wanted: list[str]) -> list[np.ndarray]:
    """Arrays by their names in another order; as they are where the names are others."""
    if set(names) != set(wanted) or len(set(names)) < len(names):
        return arrays
    return [arrays[names.index(name)] for name in wanted]
