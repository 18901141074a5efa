"""How the learning rate goes over a training: it warms up, and falls to zero at the end."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerasnas.training.flat_optimizer import FlatOptimizer

SCHEDULES = ("cosine", "constant", "one_cycle", "step")
# The share of the steps in which the rate warms up, unless it is given.
WARMUP = {"cosine": 0.1, "constant": 0.0, "one_cycle": 0.3, "step": 0.1}
_ONE_CYCLE_START = 0.04  # Of the largest rate: 1/25, as in Smith and Topin's implementations.
_FALLS = (0.5, 0.75)  # Where in a training "step" divides the rate by ten.


class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of each step of one training, which may begin at any step.

    Args:
        rate: The largest rate.
        steps: How many steps the training has.
        kind: "cosine" falls along half a cosine to zero; "constant" stays; "one_cycle" rises along
            half a cosine and falls along another; "step" is a tenth from half of the steps on, and
            a hundredth from three quarters.
        warmup: Share of the steps in which the rate rises, evenly unless it is "one_cycle".
        start: The optimizer's number of steps before the training.

    Source: cosine, Loshchilov and Hutter 2017, arXiv:1608.03983; one cycle, Smith and Topin 2018,
    arXiv:1708.07120.

    Example:

    >>> from kerasnas.training.schedules import RateSchedule
    >>> schedule = RateSchedule(0.1, steps=10, kind="step", warmup=0.2)
    >>> [round(float(schedule(step)), 4) for step in range(10)]
    [0.05, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]
    """

    def __init__(
        self,
        rate: float,
        steps: int,
        kind: str = "cosine",
        warmup: float | None = None,
        start: int = 0,
    ) -> None:
        super().__init__()
        self.rate, self.steps, self.kind, self.start = rate, steps, kind, start
        self.warmup = WARMUP[kind] if warmup is None else warmup

    def __call__(self, step: Any) -> Any:
        """The rate of a step.

        Args:
            step: The optimizer's number of steps before it.
        """
        # Subtracted as integers: a float32 does not tell large numbers of steps apart.
        gone = ops.cast(ops.subtract(step, self.start), "float32")
        gone = ops.clip(gone, 0.0, float(self.steps))
        # The last step is not one of the warm-up: the rate has been at its largest before it falls.
        rising = min(round(self.warmup * self.steps), self.steps - 1)
        fallen = (gone - rising) / max(self.steps - rising, 1)
        factor = self._after(ops.clip(fallen, 0.0, 1.0), gone / self.steps)
        if rising:
            factor = ops.where(gone < rising, self._before(gone, rising), factor)
        return self.rate * factor

    def _before(self, gone: Any, rising: int) -> Any:
        if self.kind != "one_cycle":
            return (gone + 1.0) / rising
        return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * (1.0 - _half_cosine(gone / rising))

    def _after(self, fallen: Any, gone: Any) -> Any:
        if self.kind in ("cosine", "one_cycle"):
            return _half_cosine(fallen)
        factor = ops.ones_like(fallen)
        if self.kind == "step":
            for place in _FALLS:
                factor = ops.where(gone >= place, 0.1 * factor, factor)
        return factor

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make it again."""
        names = ("rate", "steps", "kind", "warmup", "start")
        return {name: getattr(self, name) for name in names}


@contextmanager
def scheduled(
    optimizer: keras.optimizers.Optimizer, steps: int, kind: str, warmup: float | None = None
) -> Iterator[None]:
    """Has an optimizer multiply its learning rate by a schedule within the block.

    The schedule begins at the step that the optimizer has come to. The optimizer's own rate stays a
    variable: it is saved as before, it is what it was after the block, and a callback that sets it
    makes all that follows larger or smaller.

    Args:
        optimizer: A built optimizer whose rate is a number.
        steps: How many steps the training has.
        kind: As in `RateSchedule`.
        warmup: Likewise.

    Example:

    ```python
    with scheduled(model.optimizer, steps=2 * -(-len(x) // 32), kind="cosine"):
        model.fit(x, y, epochs=2)
    ```
    """
    inner = innermost(optimizer)
    factor = RateSchedule(1.0, steps, kind, warmup, int(ops.convert_to_numpy(inner.iterations)))
    plain = inner._get_current_learning_rate

    def current() -> Any:
        rate = plain()
        return ops.cast(factor(inner.iterations), rate.dtype) * rate

    # Private, as read in Keras 3.15.1 (`base_optimizer.py:777`): the one place where every backend
    # asks for the rate. Setting `learning_rate` to a schedule would drop the variable of the rate
    # from what is saved.
    inner._get_current_learning_rate = current
    try:
        yield
    finally:
        del inner._get_current_learning_rate


@dataclasses.dataclass(frozen=True)
class Planned:
    """How the rate of an optimizer is to go once its training begins.

    Args:
        kind: As in `RateSchedule`, as is `warmup`.
        warmup: None for that of the kind.
        rate: The largest rate.
    """

    kind: str
    warmup: float | None
    rate: float


class RateByEpoch(keras.callbacks.Callback):
    """Sets the rate before each epoch, where nobody knows how many steps an epoch has.

    Args:
        planned: How the rate is to go.
        first: The first epoch.
        epochs: The one after the last.
    """

    def __init__(self, planned: Planned, first: int, epochs: int) -> None:
        super().__init__()
        self._schedule = RateSchedule(
            planned.rate, max(epochs - first, 1), planned.kind, planned.warmup, first
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the rate of the epoch."""
        self.model.optimizer.learning_rate = float(self._schedule(epoch))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leaves the optimizer with its own rate."""
        self.model.optimizer.learning_rate = self._schedule.rate


def innermost(optimizer: Any) -> Any:
    """The optimizer whose rate and step count are those of a training, inside those around it."""
    while True:
        if isinstance(optimizer, FlatOptimizer):
            optimizer = optimizer._inner
        elif isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = optimizer.inner_optimizer
        else:
            return optimizer


def _half_cosine(share: Any) -> Any:
    """From 1 at a share of 0 to exactly 0 at 1, also in float32."""
    return ops.where(share >= 1.0, 0.0, 0.5 * (1.0 + ops.cos(3.14159265 * share)))
