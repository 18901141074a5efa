"""What a `kerasnas.Training` changes in the fine-tuning of a network that is compressed."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import keras

from kerasnas.data.dataset import Dataset
from kerasnas.hypermodels.training import check_fixed
from kerasnas.training.augment import Augmentation
from kerasnas.training.augment.augmentation import check_places, check_policy
from kerasnas.training.augment.mixing import mixes
from kerasnas.training.batches import ArrayBatches, Change, Shuffled
from kerasnas.training.class_weights import balanced, count_classes, weights_of
from kerasnas.training.targets import Targets, checked_targets

# What is blended is in numbers already.
_NUMBERS = Targets("numbers")


@dataclasses.dataclass(frozen=True)
class FineTuningData:
    """Changes the data of every step that trains.

    Args:
        policy: Augmentations, fresh in each epoch.
        smoothing: Share of each label that goes to all classes alike.
        class_weight: Weight by class, or None.
        targets: What the targets are, where they are smoothed or blended; None otherwise.
    """

    policy: Sequence[Augmentation] = ()
    smoothing: float = 0.0
    class_weight: Mapping[int, float] | None = None
    targets: Targets | None = None

    @property
    def text(self) -> str:
        """What it does, in words for the report; nothing where it does nothing."""
        parts = [str(one) for one in self.policy]
        if self.smoothing:
            parts.append(f"label smoothing {self.smoothing:g}")
        if self.class_weight is not None:
            parts.append("class weights")
        return ", ".join(parts)

    @property
    def recipe(self) -> tuple[str, ...]:
        """The training that makes the file again, as text; nothing where it does nothing."""
        parts = {
            "augmentation": list(self.policy),
            "label_smoothing": self.smoothing,
            "class_weight": self.class_weight,
        }
        given = [f"{name}={value!r}" for name, value in parts.items() if value]
        return (f"Training({', '.join(given)})",) if given else ()

    def prepared(
        self, library: ModuleType, y: Any, loss: Any, sample_weight: Any
    ) -> tuple[Any, Any, Any]:
        """Smooths and weighs all targets.

        Args:
            library: `keras` or `tf_keras`: whose model is trained.
            y: Targets.
            loss: The library's loss.
            sample_weight: Weights of the samples, or None.

        Returns:
            Targets, their loss, and weights.
        """
        weights = sample_weight
        if self.class_weight is not None:
            weights = weights_of(y, self.class_weight, sample_weight)
        if self.targets is None:
            return y, loss, weights
        if self.targets.kind == "integer":
            loss = library.losses.CategoricalCrossentropy(
                from_logits=self.targets.loss.get_config()["from_logits"]
            )
        return self.targets.smoothed(self.targets.shares(y), self.smoothing), loss, weights

    def batches(
        self, library: ModuleType, data: tuple[Any, Any, Any], batch_size: int, seed: int
    ) -> Any:
        """Feeds the data in batches that are augmented; None where nothing is to be.

        Args:
            library: As in `prepared`.
            data: Tuple (x, y, sample_weight) of arrays, as `prepared` returned them.
            batch_size: Samples in a batch.
            seed: Of the order and of what is drawn.

        Returns:
            What the library's `fit` takes.
        """
        if not self.policy:
            return None
        change = Change(self.policy, _NUMBERS if self._mixes else None, None, seed % 2**32)
        if library is keras:
            return ArrayBatches(data, batch_size, change)
        return _legacy_batches(Shuffled(data, batch_size, change))

    @property
    def _mixes(self) -> bool:
        return mixes(self.policy)


def fine_tuning_data(training: Any, model: keras.Model, data: Dataset) -> FineTuningData:
    """Returns what a training changes in the data, once it is known to fit.

    Args:
        training: A `kerasnas.Training` in which nothing is searched, or None.
        model: The compiled Keras 3 model.
        data: What the steps train with.

    Raises:
        ValueError: The training does not fit the model or the data, or something is searched.
        TypeError: It is no training.
    """
    if training is None:
        return FineTuningData()
    check_fixed(training)
    policy = training.alternatives("augmentation")[0]
    check_policy(policy, [tuple(one.shape)[1:] for one in model.inputs])
    targets = checked_targets(model, training.label_smoothing, mixes(policy))
    y = data.y
    several = isinstance(y, (list, tuple, Mapping))
    if training.class_weight is not None and several:
        raise ValueError(
            "Argument `class_weight` of `training` needs a model of one output: give weights of "
            f"the samples in `train_data` instead. Received: {len(y)} outputs"
        )
    check_places(policy, y)
    weights = training.class_weight
    if weights == "balanced":
        weights = balanced(count_classes(y))
    return FineTuningData(policy, training.label_smoothing, weights, targets)


def _legacy_batches(source: Shuffled) -> Any:
    """Batches for tf_keras."""
    import tf_keras

    class Batches(tf_keras.utils.Sequence):
        def __len__(self) -> int:
            return len(source)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            return source.batch(index)

        def on_epoch_end(self) -> None:
            source.epoch += 1

    return Batches()
