"""Removes whole channels from a Keras 3 model, and fine-tunes what is left."""

import math
import numbers
from dataclasses import dataclass
from typing import Any, get_args

import keras

from kerasnas.compression.step import FineTuning, KerasStep, unbox
from kerasnas.compression.structured.choose import choose
from kerasnas.compression.structured.importance import Criterion, importance
from kerasnas.compression.structured.rebuild import compile_like, rebuild
from kerasnas.compression.structured.trace import trace
from kerasnas.compression.training import Training, legacy_loss_weights, ordered_loss
from kerasnas.runtime.session import seeded


def prune_channels(
    model: keras.Model, keep: float = 0.5, criterion: Criterion = "batch_norm"
) -> keras.Model:
    """Removes the least important channels of a model, without training.

    Channels that an Add, a Multiply, a depthwise convolution or another layer ties together leave
    together, with every weight that reads or makes them. Inputs and outputs of the model keep
    theirs, and so does what a layer reads or makes that needs all channels or is not known, such
    as a grouped convolution, LayerNormalization or a recurrent layer.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend. It is not changed.
        keep: Share of the multiply-accumulates to be left, between 0 and 1, of those of layers
            whose cost is known. Channels go until the share is reached. Each layer keeps this share
            of its channels, or, where more must go, at least a tenth.
        criterion: `"batch_norm"` scores a channel by the absolute scale of its BatchNormalization,
            and one that has none as "l1" does: by the mean absolute weight of the filters that
            make it. Scores are relative to the mean of their layer.

    Returns:
        A new Functional model with the same layer names and, if `model` is compiled, the same loss
        and metrics and a fresh optimizer. Nested models are inlined.

    Raises:
        ValueError: If an argument is out of range, `model` has no graph, has NaN weights or has
            nothing to remove, or `keep` cannot be reached.

    Source:
        Li et al., "Pruning Filters for Efficient ConvNets", arXiv 1608.08710 ("l1"); Liu et al.,
        "Learning Efficient Convolutional Networks through Network Slimming", arXiv 1708.06519
        ("batch_norm"); Fang et al., "DepGraph: Towards Any Structural Pruning", arXiv 2301.12900
        (groups).

    Example:

    ```python
    small = kerasnas.compression.prune_channels(model, keep=0.5)
    kn.profile(small).macs / kn.profile(model).macs
    ```
    """
    _check("prune_channels", keep, criterion)
    pruned = _removed(model, keep, criterion)
    compile_like(pruned, model)
    return pruned


@dataclass(frozen=True)
class PruneStructured(FineTuning, KerasStep):
    """Removes whole channels and fine-tunes the rest.

    The network that is left is an ordinary, narrower one: it needs fewer multiply-accumulates,
    less memory and a smaller file. What can be removed is said at
    `kerasnas.compression.prune_channels`. It works on the Keras 3 model, so it comes before all
    other steps.

    Args:
        keep: Share of the multiply-accumulates to be left, between 0 and 1.
        criterion: `"batch_norm"` or `"l1"`, as in `prune_channels`.
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        learning_rate: Learning rate of Adam at the start; it falls to 0 along a cosine.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    ```python
    recipe = [kn.PruneStructured(keep=0.5, epochs=10), kn.Quantize("int8")]
    kn.compress(model, recipe, train_data=(x, y), validation_data=(xv, yv))
    ```
    """

    keep: float = 0.5
    criterion: Criterion = "batch_norm"
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-3

    name = "prune structured"
    how = "channel removal"

    def __post_init__(self) -> None:
        unbox(self)
        _check("PruneStructured", self.keep, self.criterion)
        self.check_training()

    def check(self, model: keras.Model) -> None:
        """Refuses a model from which so much cannot be removed."""
        traced = trace(model)
        choose(traced, importance(traced, self.criterion), self.keep)

    def apply_to_keras(self, model: keras.Model, training: Training) -> keras.Model:
        """Removes channels and fine-tunes.

        Args:
            model: Compiled Keras 3 model. It is not changed.
            training: What to train with.

        Returns:
            A new model, compiled with the same loss and metrics.
        """
        steps = self.epochs * math.ceil(training.samples / self.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        loss, weights = ordered_loss(model), legacy_loss_weights(model)
        with seeded(training.seed):
            pruned = _removed(model, self.keep, self.criterion)
            trained = keras.Model(pruned.inputs, pruned.outputs)
            adam = keras.optimizers.Adam(rate)
            training.run(keras, trained, adam, loss, weights, self.epochs, self.batch_size)
        compile_like(pruned, model)
        return pruned


def _removed(model: keras.Model, keep: float, criterion: Criterion) -> keras.Model:
    traced = trace(model)
    return rebuild(traced, choose(traced, importance(traced, criterion), keep))


def _check(owner: str, keep: Any, criterion: Any) -> None:
    if isinstance(keep, bool) or not isinstance(keep, numbers.Real) or not 0 < float(keep) < 1:
        raise ValueError(
            f"`{owner}(keep=...)` must be a number above 0 and below 1. Received: keep={keep!r}"
        )
    if criterion not in get_args(Criterion):
        raise ValueError(
            f"`{owner}(criterion=...)` must be one of {get_args(Criterion)}. "
            f"Received: criterion={criterion!r}"
        )
