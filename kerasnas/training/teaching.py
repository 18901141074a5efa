"""Trains a network towards the outputs of a teacher beside the targets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from kerasnas.training.targets import soft_targets, targets_of


@contextmanager
def taught(model: keras.Model, y: Any, outputs: np.ndarray | None, mix: float) -> Iterator[Any]:
    """Gives the targets to train a model with within the block.

    The loss stays that of the model, towards a blend of the targets and of what the teacher says.
    Metrics are those of the class with the largest share; a validation is left alone.

    Args:
        model: A compiled model of one output.
        y: The targets.
        outputs: The teacher's outputs for the training data, (samples, ...); None for no teacher.
        mix: Weight of the teacher in the targets, from 0 to 1.

    Raises:
        ValueError: The outputs are not those of this model, or its loss has no targets that can be
            blended.

    Example:

    ```python
    with taught(model, y, model.predict(x), mix=0.5) as blended:
        model.fit(x, blended)
    ```
    """
    if outputs is None:
        yield y
        return
    known = getattr(model, "outputs", None) or [None]
    shape = None if len(known) != 1 or known[0] is None else tuple(known[0].shape)
    targets = None if shape is None else targets_of(model.loss, shape)
    if targets is None:
        raise ValueError(
            "A teacher needs a Functional or Sequential model of one output whose loss is a "
            "cross-entropy or a loss of numbers: pass teacher=None. "
            f"Received: '{model.name}' with loss={model.loss!r}"
        )
    shares = targets.shares(np.asarray(y))
    said = np.asarray(outputs, dtype=np.float32)
    if said.size != shares.size or said.shape[1:] != (shape or ())[1:]:
        raise ValueError(
            f"The teacher's outputs must have the shape of the network's, {shape}. "
            f"Received: {said.shape}"
        )
    if targets.kind != "numbers" and (said.min() < 0 or said.max() > 1 + 1e-3):
        raise ValueError(
            "The teacher must give probabilities, as the targets of a cross-entropy are. "
            f"Received: outputs from {said.min():.3g} to {said.max():.3g}"
        )
    blended = (1.0 - mix) * shares + mix * said.reshape(shares.shape)
    in_column = np.ndim(y) > 1 and np.shape(y)[-1] == 1
    with soft_targets(model, targets, 0.0, in_column):
        yield blended.astype(np.float32)
