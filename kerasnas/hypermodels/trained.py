"""What a hypermodel does with its `training`: reads it from `hp`, and trains by it."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner

from kerasnas.hypermodels import fitting
from kerasnas.hypermodels.hyperparameters import Hyperparameters, decide, several
from kerasnas.hypermodels.training import Training
from kerasnas.training.augment.augmentation import check_policy
from kerasnas.training.optimizers import make_optimizer
from kerasnas.training.schedules import Planned


class TrainedHyperModel(keras_tuner.HyperModel):
    """The part of `kerasnas.HyperModel` that trains.

    Attributes:
        learning_rate: As in `kerasnas.HyperModel`.
        loss: Likewise.
        tunable: Likewise.
        input_shape: Likewise.
    """

    # Also of a subclass whose constructor does not call that of `HyperModel`.
    learning_rate: float | Sequence[float] | None = None
    loss: Any = None
    tunable: bool = True
    input_shape: tuple[int, ...]
    _training: Training | None = None

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> Any:
        """Trains a model as the `training` of the constructor says.

        Override it to train in another way.

        Args:
            hp: The hyperparameters that the model was built with.
            model: What `build` returned.
            *args: Positional arguments of `keras.Model.fit`.
            **kwargs: Its other arguments.

        Returns:
            What the model's `fit` returned.

        Raises:
            ValueError: The training does not fit the data or the model.
        """
        chosen = self._settings.fitted(hp if self.tunable else hp.copy())
        return fitting.fit(model, chosen, args, kwargs)

    @property
    def _settings(self) -> Training:
        return Training() if self._training is None else self._training

    def _optimizer_and_loss(self, hp: Hyperparameters) -> tuple[keras.optimizers.Optimizer, Any]:
        """What `compile` compiles with, unless a subclass overrides it."""
        if self.learning_rate is not None:
            rate = decide(hp, "learning_rate", several(self.learning_rate))
            return keras.optimizers.Adam(rate), self.loss
        chosen = self._settings.compiled(hp)
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

    def _check_augmentation(self) -> None:
        for policy in self._settings.alternatives("augmentation"):
            check_policy(policy, [self.input_shape])

    def _build_wrapper(self, hp: Hyperparameters, *args: Any, **kwargs: Any) -> Any:
        """What KerasTuner's constructor puts in the place of `build` (1.4.8, hypermodel.py:105)."""
        model = super()._build_wrapper(hp, *args, **kwargs)
        # A build does not read what `fit` will read, and a search must know both.
        if self.tunable:
            self._settings.fitted(hp)
        return model

    def _take(self, training: Training | None, compiles: bool, trains: bool) -> None:
        """Takes the training that was given, and says which parts of it will have no effect.

        Args:
            training: What the constructor was given.
            compiles: Whether the optimizer and the loss are those of the training.
            trains: Whether the training is used by `fit`.
        """
        if training is None:
            return
        name = type(self).__name__
        if not isinstance(training, Training):
            raise TypeError(
                "Argument `training` must be a kerasnas.Training, such as "
                f"kn.Training(optimizer='sgd'). Received: training={training!r}"
            )
        if self.learning_rate is not None:
            raise ValueError(
                "Argument `learning_rate` stands for Adam with a constant rate, and must not be "
                "given beside `training`: give it to the Training. "
                f"Received: learning_rate={self.learning_rate!r}, training={training!r}"
            )
        if self.loss is not None and training.loss is not None:
            raise ValueError(
                f"Argument `loss` is given to {name} and to its Training: leave it out of one. "
                f"Received: loss={self.loss!r} and {training.loss!r}"
            )
        self._training = training
        own = []
        if not compiles:
            own.append(
                f"{name} compiles by itself, so the optimizer, the learning rate and the loss are "
                "its own unless it calls super().compile(hp, model)"
            )
        if not trains:
            own.append(
                f"{name} overrides `fit`, so schedule, batch size, augmentation, label smoothing, "
                "class weights and early stopping take effect only where it calls super().fit"
            )
        if own:
            warnings.warn(f"Argument `training`: {'; '.join(own)}", UserWarning, stacklevel=4)


def training_of(hypermodel: Any) -> Training | None:
    """Returns how a hypermodel trains; None of one that is not kerasnas's, or trains by itself."""
    if not isinstance(hypermodel, TrainedHyperModel) or has_own_fit(hypermodel):
        return None
    return hypermodel._settings


def has_own_fit(hypermodel: Any) -> bool:
    """Whether the `fit` of a hypermodel is the user's own."""
    return type(hypermodel).fit not in (keras_tuner.HyperModel.fit, TrainedHyperModel.fit)
