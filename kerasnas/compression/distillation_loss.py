"""Trains towards the outputs of a teacher as well as towards the targets."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

# Losses over a distribution of classes. A temperature can soften such a distribution.
_OVER_CLASSES = ("categorical_crossentropy", "sparse_categorical_crossentropy")
_OF_PROBABILITIES = (
    *_OVER_CLASSES,
    *("categorical_focal_crossentropy", "binary_crossentropy", "binary_focal_crossentropy"),
)
_ROUNDING = 1e-3


@dataclass(frozen=True)
class DistillationLoss:
    """The outputs of a teacher for the training data, and how much they count.

    Args:
        outputs: The teacher's outputs, one array of shape (samples, ..., values) for each output.
        temperature: What distributions over classes are softened with.
        mix: Weight of the teacher, between 0 and 1.

    Source:
        Hinton, Vinyals and Dean, arXiv 1503.02531, section 2.
    """

    outputs: list[np.ndarray]
    temperature: float
    mix: float

    def check(self, loss: Any) -> None:
        """Refuses a teacher that gives logits where the loss takes probabilities, or the reverse.

        Args:
            loss: As in `join`.

        Raises:
            ValueError: If it does.
        """
        for output, one in zip(self.outputs, self._each(loss), strict=True):
            name, logits = _name(one), _takes_logits(one)
            within = output.min() >= 0 and output.max() <= 1 + _ROUNDING
            # Small logits may lie between 0 and 1, but do not sum to one everywhere by chance.
            ones = np.allclose(output.sum(axis=-1), 1, atol=_ROUNDING)
            fits = not (within and ones) if logits else within
            if fits or name not in _OF_PROBABILITIES:
                continue
            kinds = ("probabilities", "logits")
            raise ValueError(
                f"`Distill(teacher=...)` must give {kinds[logits]}, as the loss {name} takes. "
                f"Received: outputs between {output.min():.3g} and {output.max():.3g}, which look "
                f"like {kinds[not logits]}"
            )

    def _each(self, loss: Any) -> list[Any]:
        return loss if isinstance(loss, list) else [loss] * len(self.outputs)

    def join(self, library: ModuleType, y: Any, loss: Any) -> tuple[Any, Any]:
        """Puts the teacher's outputs beside the targets, and makes a loss that reads both.

        Args:
            library: `keras` or `tf_keras`: whose model is trained.
            y: Targets; a list for several outputs.
            loss: The library's loss, or a list for several outputs.

        Returns:
            Tuple of the targets to train with and their loss.
        """
        several = len(self.outputs) > 1
        targets = y if several else [y]
        losses = self._each(loss)
        joined = [
            (target, None) if one is None else self._join(library, output, target, one)
            for output, target, one in zip(self.outputs, targets, losses, strict=True)
        ]
        if not several:
            return joined[0]
        return [target for target, _ in joined], [one for _, one in joined]

    def _join(
        self, library: ModuleType, teacher: np.ndarray, target: Any, loss: Any
    ) -> tuple[np.ndarray, Any]:
        own: Any = library.losses.get(loss)
        values, mix, temperature = teacher.shape[-1], self.mix, self.temperature
        logits = _takes_logits(own)
        softens = _name(own) in _OVER_CLASSES
        goal = teacher
        if softens:
            goal = _softened(teacher, temperature, logits)
        elif logits:  # Such a loss takes probabilities for targets.
            over_classes = "categorical" in _name(own)
            goal = _softened(teacher, 1, True) if over_classes else 1 / (1 + np.exp(-teacher))
        array = np.asarray(target)
        array = array.reshape(*teacher.shape[:-1], array.size // (teacher.size // values))

        def softened(towards: Any, y_pred: Any) -> Any:
            # Keras scales outputs that are no distribution so that they sum to one.
            student = y_pred / temperature if logits else (y_pred + 1e-7) ** (1 / temperature)
            return temperature**2 * library.losses.categorical_crossentropy(
                towards, student, from_logits=logits
            )

        to_targets = own if isinstance(own, library.losses.Loss) else _weighing(library, own)
        to_teacher = (
            _weighing(library, softened, reduction=to_targets.reduction) if softens else to_targets
        )

        class Guided(library.losses.Loss):  # type: ignore[name-defined]
            def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
                from_teacher = to_teacher(y_true[..., :values], y_pred, sample_weight)
                from_targets = to_targets(y_true[..., values:], y_pred, sample_weight)
                return mix * from_teacher + (1 - mix) * from_targets

        return np.concatenate([goal, array], axis=-1, dtype="float32"), Guided()


def _weighing(library: ModuleType, loss: Callable[[Any, Any], Any], **kwargs: Any) -> Any:
    """Makes a loss that takes sample weights from a function that gives a value for each sample."""

    class Weighing(library.losses.Loss):  # type: ignore[name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return loss(y_true, y_pred)

    return Weighing(**kwargs)


def _name(loss: Any) -> str:
    return getattr(getattr(loss, "fn", loss), "__name__", "")


def _takes_logits(loss: Any) -> bool:
    return bool(getattr(loss, "_fn_kwargs", {}).get("from_logits", False))


def _softened(outputs: np.ndarray, temperature: float, logits: bool) -> np.ndarray:
    """Returns a distribution over classes as the softmax of its logits over the temperature."""
    scores = outputs if logits else np.log(np.maximum(outputs, 1e-7))
    scores = (scores - scores.max(axis=-1, keepdims=True)) / temperature
    soft = np.exp(scores)
    return soft / soft.sum(axis=-1, keepdims=True)
