"""What fine-tuning needs, for every step that trains: data, loss and a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.distillation_loss import DistillationLoss
from kerasnas.compression.fine_tuning import FineTuningData
from kerasnas.data.arrays import is_nested
from kerasnas.data.dataset import output_names
from kerasnas.keras_models.moving_statistics import settle
from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe
from kerasnas.runtime.session import kept_random_state


@dataclass
class Training:
    """What the steps of a recipe train with, and what they leave for the steps after them.

    Args:
        model: The Keras 3 model to compress.
        graph: The network, in canonical form; layer names are those of the tf_keras model.
        x: Training inputs, one array for each input of the model.
        y: Training targets, as `fit` takes them.
        loss: Loss that tf_keras understands.
        loss_weights: Weights of several losses, or None.
        seed: Seed of the step that is being done.
        pruned: Names of the layers that were given zeros.
        clustered: Names of the layers whose weights share values.
        note: What the step that is being done adds to its method in the report.
        distillation: The teacher of this and all later steps, or None.
        sample_weight: Weights of the samples, as `fit` takes them, or None.
        changes: How the data is augmented, smoothed and weighed for every step that trains.
    """

    model: keras.Model
    graph: LayerGraph
    x: list[np.ndarray]
    y: Any
    loss: Any
    loss_weights: Any
    seed: int
    pruned: set[str] = field(default_factory=set)
    clustered: set[str] = field(default_factory=set)
    note: str = ""
    distillation: DistillationLoss | None = None
    sample_weight: Any = None
    changes: FineTuningData = field(default_factory=FineTuningData)

    @property
    def fed(self) -> Any:
        """The inputs as tf_keras takes them: one array, or a list of several."""
        return self.x if len(self.x) > 1 else self.x[0]

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return len(self.x[0])

    def fit(
        self,
        model: Any,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        callbacks: Sequence[Any] = (),
    ) -> None:
        """Trains a tf_keras model with Adam, reproducibly.

        Args:
            model: tf_keras model; it is compiled here.
            epochs: Passes over the training data.
            batch_size: Samples in a step.
            learning_rate: Learning rate of Adam.
            callbacks: tf_keras callbacks.
        """
        import tf_keras

        with kept_random_state():
            tf_keras.utils.set_random_seed(self.seed)
            adam = tf_keras.optimizers.Adam(learning_rate)
            loss, weights = self.loss, self.loss_weights
            self.run(tf_keras, model, adam, loss, weights, epochs, batch_size, callbacks)

    def run(
        self,
        library: ModuleType,
        model: Any,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        epochs: int,
        batch_size: int,
        callbacks: Sequence[Any] = (),
    ) -> None:
        """Trains a model of either library, with the teacher if there is one.

        Args:
            library: `keras` or `tf_keras`: whose model it is.
            model: The model; it is compiled here.
            optimizer: Optimizer of the library.
            loss: Loss of the library, or a list for several outputs.
            loss_weights: Weights of several losses, or None.
            epochs: Passes over the training data.
            batch_size: Samples in a step.
            callbacks: Callbacks of the library.
        """
        x = self.x if library is keras else self.fed
        y, loss, weights = self.changes.prepared(library, self.y, loss, self.sample_weight)
        if self.distillation is not None:
            y, loss = self.distillation.join(library, y, loss)
        model.compile(optimizer=optimizer, loss=loss, loss_weights=loss_weights)
        make_pointwise_gradients_safe()
        fit: dict[str, Any] = {"epochs": epochs, "callbacks": list(callbacks), "verbose": 0}
        batches = self.changes.batches(library, (x, y, weights), batch_size, self.seed)
        if batches is None:
            model.fit(x, y, sample_weight=weights, batch_size=batch_size, **fit)
        else:
            model.fit(batches, shuffle=False, **fit)
        settle(model, x, y, batch_size, weights)


def legacy_loss(model: keras.Model) -> Any:
    """Returns the loss of a compiled Keras 3 model, for tf_keras.

    Args:
        model: Compiled Keras 3 model.

    Returns:
        What `compile(loss=...)` of tf_keras takes: one loss, or a list in the order of outputs.

    Raises:
        ValueError: If a loss has no counterpart.
    """
    loss = ordered_loss(model)
    if isinstance(loss, list):
        return [None if one is None else _legacy_loss(one) for one in loss]
    return _legacy_loss(loss)


def ordered_loss(model: keras.Model) -> Any:
    """Returns the loss of a compiled Keras 3 model: one, or a list in the order of outputs."""
    loss = model.loss
    if isinstance(loss, dict | list) and is_nested(getattr(model, "output", None)):
        return keras.tree.flatten(loss)  # Keras asks for the structure of the outputs.
    if isinstance(loss, dict):
        return [loss.get(name) for name in output_names(model)]
    return list(loss) if isinstance(loss, tuple) else loss


def legacy_loss_weights(model: keras.Model) -> Any:
    """Returns the loss weights of a compiled Keras 3 model: None, or one for each output."""
    weights = model.get_compile_config().get("loss_weights")
    if isinstance(weights, dict):
        return [weights.get(name, 1.0) for name in output_names(model)]
    return weights


def _legacy_loss(loss: Any) -> Any:
    import tf_keras

    if isinstance(loss, str):
        try:
            return tf_keras.losses.get(loss)
        except ValueError:
            raise ValueError(
                f"The loss that `model` is compiled with is unknown to tf_keras. Received: {loss!r}"
            ) from None
    name = getattr(loss, "__name__", type(loss).__name__)
    counterpart = getattr(tf_keras.losses, name, None)
    if counterpart is not None and loss is getattr(keras.losses, name, None):
        return counterpart
    if counterpart is not None and type(loss) is getattr(keras.losses, name, None):
        # The config of Huber (Keras 3.15.1) leaves its delta out.
        config = {**getattr(loss, "_fn_kwargs", {}), **loss.get_config()}
        config.pop("dtype", None)
        if config.get("axis") == -1:  # always so in tf_keras's sparse crossentropy
            config.pop("axis")
        try:
            return counterpart(**config)
        except (TypeError, ValueError):
            pass
    if keras.backend.backend() == "tensorflow":
        return _called(loss) if isinstance(loss, keras.losses.Loss) else loss
    raise ValueError(
        "The loss that `model` is compiled with must be one that tf_keras has too, by name or as "
        f"a Keras loss, unless the Keras backend is TensorFlow. Received: {loss!r}"
    )


def _called(loss: keras.losses.Loss) -> Any:
    """Returns a Keras 3 loss as a tf_keras object; a bare function would lose sample weights."""
    import tf_keras

    class Called(tf_keras.losses.Loss):
        def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return loss(y_true, y_pred, sample_weight)

    return Called()
