"""What a hypermodel does with its `training`: compiles a network by it, and trains it."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnas.hypermodels import fitting
from kerasnas.hypermodels.hyperparameters import Hyperparameters, decide, several
from kerasnas.hypermodels.training import Training
from kerasnas.training.augment.augmentation import check_policy
from kerasnas.training.optimizers import make_optimizer
from kerasnas.training.schedules import Planned


class Trainer:
    """Compiles and trains the networks of a hypermodel.

    Args:
        training: How; None for `Training()`.
        learning_rate: Constant rate of Adam, a number or a list to search, in the place of the
            training's optimizer and rate; None for these.
        loss: What to compile with where the training has no loss of its own.
    """

    def __init__(
        self,
        training: Training | None,
        learning_rate: float | Sequence[float] | None,
        loss: Any,
    ) -> None:
        self.training = Training() if training is None else training
        self.learning_rate, self.loss = learning_rate, loss

    def optimizer_and_loss(self, hp: Hyperparameters) -> tuple[keras.optimizers.Optimizer, Any]:
        """Reads the optimizer and the loss from the hyperparameters."""
        if self.learning_rate is not None:
            rate = decide(hp, "learning_rate", several(self.learning_rate))
            return keras.optimizers.Adam(rate), self.loss
        chosen = self.training.compiled(hp)
        optimizer = make_optimizer(
            str(chosen.optimizer),
            chosen.learning_rate,
            weight_decay=chosen.weight_decay,
            clip_norm=chosen.clip_norm,
            clip_value=chosen.clip_value,
        )
        planned = Planned(str(chosen.schedule), chosen.warmup, float(chosen.learning_rate))
        setattr(optimizer, fitting.SCHEDULE, planned)
        return optimizer, self.loss if chosen.loss is None else chosen.loss

    def fit(
        self,
        hp: Hyperparameters,
        model: keras.Model,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Trains a model with the arguments of `keras.Model.fit`."""
        return fitting.fit(model, self.training.fitted(hp), args, dict(kwargs))

    def check_augmentation(self, shape: Sequence[int]) -> None:
        """Raises an error if an augmentation fits no sample of this shape."""
        for policy in self.training.alternatives("augmentation"):
            check_policy(policy, [shape])


def check_training(owner: str, training: Any, learning_rate: Any, loss: Any) -> None:
    """Raises an error if a training is none, or says what another argument says.

    Args:
        owner: Name of the hypermodel's class, for the message.
        training: What its constructor was given; None for nothing.
        learning_rate: Likewise.
        loss: Likewise.

    Raises:
        TypeError: It is no training.
        ValueError: The learning rate or the loss is given twice.
    """
    if training is None:
        return
    if not isinstance(training, Training):
        raise TypeError(
            "Argument `training` must be a kerasnas.Training, such as "
            f"kn.Training(optimizer='sgd'). Received: training={training!r}"
        )
    if learning_rate is not None:
        raise ValueError(
            "Argument `learning_rate` stands for Adam with a constant rate, and must not be "
            "given beside `training`: give it to the Training. "
            f"Received: learning_rate={learning_rate!r}, training={training!r}"
        )
    if loss is not None and training.loss is not None:
        raise ValueError(
            f"Argument `loss` is given to {owner} and to its Training: leave it out of one. "
            f"Received: loss={loss!r} and {training.loss!r}"
        )


def warn_of_own_parts(owner: str, compiles: bool, trains: bool) -> None:
    """Says which parts of a training have no effect on a hypermodel.

    Args:
        owner: Name of its class.
        compiles: Whether its optimizer and loss are those of the training.
        trains: Whether its `fit` uses the training.
    """
    own = []
    if not compiles:
        own.append(
            f"{owner} compiles by itself, so the optimizer, the learning rate and the loss are "
            "its own unless it calls super().compile(hp, model)"
        )
    if not trains:
        own.append(
            f"{owner} overrides `fit`, so schedule, batch size, augmentation, label smoothing, "
            "class weights and early stopping take effect only where it calls super().fit"
        )
    if own:
        warnings.warn(f"Argument `training`: {'; '.join(own)}", UserWarning, stacklevel=4)
