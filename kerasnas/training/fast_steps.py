"""Trains a network by the same steps in less time."""

import contextlib
from collections.abc import Iterator

import keras

from kerasnas.training.flat_optimizer import flat_updates
from kerasnas.training.fused_normalization import fused_normalization


@contextlib.contextmanager
def fast_steps(model: keras.Model) -> Iterator[None]:
    """Makes the steps of a training within the block cheaper, with the same numbers.

    All weights are updated as one vector, and a batch normalization is one operation. A model with
    a training step of its own is left as it is.

    Args:
        model: A compiled model.

    Example:

    ```python
    with fast_steps(model):
        model.fit(x, y)
    ```
    """
    if type(model).train_step is not keras.Model.train_step or not model.built:
        yield
        return
    with flat_updates(model), fused_normalization(model):
        yield
