"""Computes the moving statistics of batch normalization anew before each score."""

import functools
import inspect
import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import in_batches
from kerasnas.data.splits import training_rows
from kerasnas.keras_models.moving_statistics import (
    SAMPLES,
    compute,
    drawn_batches,
    rows,
    training_pass,
    with_statistics,
)
from kerasnas.runtime.errors import describe

_BATCH_SIZE = 32  # Keras's default.


class FreshStatistics(keras.callbacks.Callback):
    """Computes the moving statistics of batch normalization anew before each validation.

    While weights move, moving averages lag behind them: after 12 epochs of 10,000 samples networks
    score 1 to 4 points less with them (benchmarks/short_trainings.py). The statistics are computed
    from training samples: the model runs over them in training mode, without a gradient, so that
    weights, the optimizer and random states stay what they are. A data set of batches is read once
    more for it; one that draws at random then draws other batches. Where an epoch is not validated,
    the statistics are computed at its end.

    Args:
        say: Is called with a line of text: that the statistics are computed, or why they cannot be.

    Attributes:
        seconds: How long that has taken so far.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.seconds = 0.0
        self._say = say
        self._fit: Mapping[str, Any] = {}
        self._batches: list[Any] | None = None
        self._training = False
        self._fresh = False
        self._first_step = 0

    def watch(self, model: keras.Model) -> None:
        """Notes what the model's `fit` is given, which has the training data.

        Args:
            model: The model, whose `fit` is replaced by one that also notes its arguments.
        """
        fit = model.fit

        @functools.wraps(fit)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._fit = _bound(model, fit, args, kwargs)
            self._batches = None
            return fit(*args, **kwargs)

        model.fit = watched

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Prepares a pass through the model as it is now."""
        self._forward = training_pass(self.model)
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts counting the steps of the epoch."""
        self._first_step = self._steps()
        self._fresh = False

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Computes the statistics, if this is the validation of an epoch of the training."""
        self._take()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Computes the statistics, if the epoch was not validated.

        A training loop of the user's own that calls nothing but this method is left alone.
        """
        self._take()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Ends the training, so that later calls of `evaluate` are left alone."""
        self._training = False

    def _steps(self) -> int:
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        return 0 if iterations is None else int(np.array(iterations))

    def _batches_of_an_epoch(self) -> int:
        """The number of batches in the epoch; 0 where neither `fit` nor the optimizer tells it."""
        known = (self.params or {}).get("steps")
        if known:
            return int(known)
        # An optimizer that adds up the gradients of several batches counts one step for them.
        optimizer = getattr(self.model, "optimizer", None)
        together = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        return (self._steps() - self._first_step) * int(together)

    def _take(self) -> None:
        if not self._training or self._fresh:
            return
        self._fresh = True
        layers = with_statistics(self.model)
        if not layers:
            return
        steps = self._batches_of_an_epoch()
        started = time.monotonic()
        try:
            if self._batches is None:
                self._batches = _batches(self._fit, steps)
            compute(self.model, layers, self._forward, self._batches)
        except Exception as error:
            # The training may never call the model in this way, so it can go on without.
            self._say(
                "Batch normalization: its moving statistics lag behind the weights, and they "
                f"cannot be taken anew ({describe(error)}): the scores of short "
                "trainings are noise. A lower `momentum` helps, such as .9"
            )
        else:
            self._say(
                "Batch normalization: its moving statistics lag behind the weights. They are "
                f"taken anew from up to {SAMPLES:,} training samples before each validation; "
                "fresh_statistics=False leaves them"
            )
        self.seconds += time.monotonic() - started


def _bound(
    model: keras.Model, fit: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a call of `fit` by name; the user's own `fit` may have other names."""
    try:
        return inspect.signature(keras.Model.fit).bind_partial(model, *args, **kwargs).arguments
    except TypeError:
        return inspect.signature(fit).bind_partial(*args, **kwargs).arguments


def _batches(fit: Mapping[str, Any], steps: int) -> list[Any]:
    """The inputs of about `SAMPLES` samples, spread over an epoch.

    Args:
        fit: Arguments of `keras.Model.fit` by name.
        steps: Batches in an epoch; 0 if it is not known.

    Raises:
        ValueError: The data can be read only once.
    """
    x: Any = fit.get("x")
    if x is None:
        raise ValueError("`fit` was given no x")
    if in_batches(x):
        if iter(x) is x:
            raise ValueError(f"a {type(x).__name__} can be read only once")
        first = keras.utils.unpack_x_y_sample_weight(next(iter(x)))[0]
        wanted = max(1, SAMPLES // max(1, rows(first)))
        every = max(1, (steps or wanted) // wanted)
        if isinstance(x, keras.utils.PyDataset) and (x.num_batches or 0) >= steps > 0:
            taken: Iterable[Any] = map(x.__getitem__, range(0, steps or wanted, every))
        else:
            taken = itertools.islice(x, 0, steps or wanted, every)
        return [keras.utils.unpack_x_y_sample_weight(batch)[0] for batch in taken]
    return drawn_batches(x, training_rows(fit), fit.get("batch_size") or _BATCH_SIZE)
