"""Targets that are shares of classes: smoothed labels, and blends of two samples.

The compiled loss and metrics of a model stay what they are. Within a training the loss is computed
with the shares; metrics are given the class with the largest share; a validation is left alone.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.keras_models.compiled import given_loss_weights

_INTEGER = "sparse_categorical_crossentropy"
_ONE_HOT = (
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
)
_YES_OR_NO = ("binary_crossentropy", "binary_focal_crossentropy")
_NUMBERS = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_squared_logarithmic_error",
    "mean_absolute_percentage_error",
    "huber",
    "log_cosh",
    "poisson",
)
_CAN_BE_MIXED = "a cross-entropy or a loss of numbers"


@dataclasses.dataclass(frozen=True)
class Targets:
    """What the targets of a loss are.

    Attributes:
        kind: "integer" for classes by number, "one_hot", "yes_or_no" or "numbers".
        classes: How many classes there are, where they are given by number.
        loss: The loss for shares of classes, where the targets are classes by number.
    """

    kind: str
    classes: int = 0
    loss: Any = None

    def shares(self, y: np.ndarray) -> np.ndarray:
        """Turns a batch of targets into numbers that can be blended."""
        y = np.asarray(y)
        is_shares = np.issubdtype(y.dtype, np.floating) and y.shape[-1:] == (self.classes,)
        if self.kind != "integer" or (is_shares and y.ndim > 1 and self.classes > 1):
            return y if np.issubdtype(y.dtype, np.floating) else y.astype(np.float32)
        if y.ndim > 1 and y.shape[-1] == 1:
            y = y[..., 0]
        return np.eye(self.classes, dtype=np.float32)[y.astype(np.int64)]

    def smoothed(self, shares: Any, smoothing: float) -> Any:
        """Gives a part of targets that are shares of classes to all classes alike."""
        if not smoothing:
            return shares
        parts = 2 if self.kind == "yes_or_no" else shares.shape[-1]
        return shares * (1.0 - smoothing) + smoothing / parts

    def labels(self, y: Any, y_pred: Any, in_column: bool) -> Any:
        """The targets that metrics are given in the place of blended ones."""
        if self.kind == "integer":
            if not _is_shares(y, y_pred):
                return y
            return ops.argmax(y, axis=-1, keepdims=in_column)
        if self.kind == "one_hot":
            return ops.one_hot(ops.argmax(y, axis=-1), y.shape[-1])
        return ops.round(y) if self.kind == "yes_or_no" else y

    def shares_of(self, y: Any, y_pred: Any) -> Any:
        """As `shares`, of tensors within a training step."""
        if self.kind != "integer":
            return ops.cast(y, y_pred.dtype)
        if not _is_shares(y, y_pred):
            if len(y.shape) == len(y_pred.shape) and y.shape[-1] == 1:
                y = ops.squeeze(y, -1)
            y = ops.one_hot(ops.cast(y, "int32"), self.classes)
        return ops.cast(y, y_pred.dtype)


def targets_of(loss: Any, output_shape: Any) -> Targets | None:
    """Returns what the targets of a loss are; None of one that is not Keras's.

    Args:
        loss: As `keras.Model.compile` takes it.
        output_shape: The shape of the model's one output.
    """
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return None
    try:
        found = keras.losses.get(loss)
    except (TypeError, ValueError):
        return None
    function = getattr(found, "fn", found)
    name = getattr(function, "__name__", "")
    if found is None or getattr(keras.losses, name, None) is not function:
        return None
    options = getattr(found, "_fn_kwargs", {})
    if name in _YES_OR_NO:
        return Targets("yes_or_no")
    if name in _ONE_HOT:
        return Targets("one_hot")
    if name in _NUMBERS:
        return Targets("numbers")
    if name != _INTEGER or options.get("ignore_class") is not None:
        return None
    soft = keras.losses.CategoricalCrossentropy(
        from_logits=options.get("from_logits", False),
        reduction=getattr(found, "reduction", "sum_over_batch_size"),
    )
    return Targets("integer", int(output_shape[-1]), soft)


def checked_targets(model: keras.Model, smoothing: float, mixes: bool) -> Targets | None:
    """Returns what a model's targets are, if its training is to change them.

    Args:
        model: A compiled model.
        smoothing: Share of each target that goes to all classes alike.
        mixes: Whether samples are blended with each other.

    Returns:
        None where neither is asked for.

    Raises:
        ValueError: It cannot be done to this model.
    """
    if not (smoothing or mixes):
        return None
    argument = "label_smoothing" if smoothing else "augmentation"
    what = "the labels" if smoothing else "the targets of two samples"
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"Argument `{argument}` would change {what} in the training, but "
            f"{type(model).__name__} has a `train_step` of its own: do it there, and leave the "
            f"argument out. Received: {argument}={smoothing if smoothing else 'Mixup'!r}"
        )
    outputs = getattr(model, "outputs", None) or [None]
    loss = model.loss
    single = len(outputs) == 1 and outputs[0] is not None and given_loss_weights(model) is None
    found = targets_of(loss, outputs[0].shape) if single else None
    if found is None or (smoothing and found.kind == "numbers"):
        allowed = "a cross-entropy" if smoothing else _CAN_BE_MIXED
        raise ValueError(
            f"Argument `{argument}` changes {what}, which needs a Functional or Sequential model "
            f"of one output whose loss is {allowed}, without `loss_weights`: leave it out, "
            f"or compile such a model. Received: '{model.name}' with loss={loss!r}"
        )
    return found


@contextmanager
def soft_targets(
    model: keras.Model, targets: Targets | None, smoothing: float, in_column: bool | None = None
) -> Iterator[None]:
    """Trains a model within the block towards shares of classes.

    Args:
        model: A compiled model.
        targets: What `checked_targets` has returned; None leaves the model alone.
        smoothing: Share of each target that goes to all classes alike.
        in_column: Where samples are blended, whether classes by number come as a column.

    Example:

    ```python
    with soft_targets(model, checked_targets(model, 0.1, mixes=False), smoothing=0.1):
        model.fit(x, y)
    ```
    """
    if targets is None:
        yield
        return
    plain_loss, plain_metrics = model.compute_loss, model.compute_metrics
    trains = [False]

    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        # A step computes the metrics after its loss, and does not say of which kind it is. On JAX,
        # Keras builds a model with a training batch as if it were validated.
        trains[0] = training or (targets.kind == "integer" and _is_shares(y, y_pred))
        if not trains[0]:
            return plain_loss(x, y, y_pred, sample_weight, training=False)
        y = targets.smoothed(targets.shares_of(y, y_pred), smoothing)
        if targets.loss is None:
            return plain_loss(x, y, y_pred, sample_weight, training=True)
        total = targets.loss(y, y_pred, sample_weight)
        for added in model.losses:
            total = total + ops.sum(ops.cast(added, total.dtype))
        return total

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        # On JAX, Keras chooses the metrics by the first batch before any loss is computed.
        if trains[0] or targets.kind == "integer":
            y = targets.labels(y, y_pred, bool(in_column))
        return plain_metrics(x, y, y_pred, sample_weight)

    model.compute_loss = compute_loss
    if in_column is not None:
        model.compute_metrics = compute_metrics
    model.train_function = model.test_function = None  # They have traced what was before.
    try:
        yield
    finally:
        for name in ("compute_loss", "compute_metrics"):
            vars(model).pop(name, None)
        model.train_function = model.test_function = None


def _is_shares(y: Any, y_pred: Any) -> bool:
    """Whether targets of classes are shares of them already, not their numbers."""
    return len(y.shape) == len(y_pred.shape) and y.shape[-1] == y_pred.shape[-1] != 1
