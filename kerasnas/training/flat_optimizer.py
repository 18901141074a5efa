"""Updates all weights of a network as one vector, in a few operations for any number of variables.

Keras updates each variable by itself: Adam is about a dozen operations for each of them, which a
network of sixty small variables has to trace once, and to run in every step.

Uses private parts of Keras, read in version 3.15: `_flatten_layers` of models, and the
`_learning_rate`, `_use_weight_decay` and `_filter_empty_gradients` of optimizers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

# They treat each weight by itself, so it does not matter which weights share a variable.
_ELEMENTWISE = {
    keras.optimizers.SGD,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adamax,
    keras.optimizers.Lion,
}


def can_be_flat(model: keras.Model) -> bool:
    """Returns whether a network can be trained by a `FlatOptimizer` with the same numbers.

    Args:
        model: A built and compiled model.
    """
    plain: Any = getattr(model, "optimizer", None)
    # A subclass may do anything; in PyTorch Keras joins the updates by itself.
    if type(plain) not in _ELEMENTWISE or keras.backend.backend() != "tensorflow":
        return False
    apart = (
        plain.clipnorm,
        plain.use_ema,
        plain.gradient_accumulation_steps,
        plain.loss_scale_factor,
    )
    variables = model.trainable_variables
    return (
        not any(apart)
        and len(variables) > 1
        and all(one.constraint is None and one.dtype == "float32" for one in variables)
        # Its gradient holds the rows that a batch has read; joined, it would be the whole table.
        and not any(isinstance(one, keras.layers.Embedding) for one in model._flatten_layers())
        and model.distribute_strategy.num_replicas_in_sync == 1
    )


@contextmanager
def flat_updates(model: keras.Model) -> Iterator[None]:
    """Trains a network within the block by a `FlatOptimizer`, where that gives the same numbers.

    After the block the model has its own optimizer, with the state that the training has led to.

    Args:
        model: A compiled model, built or not.

    Example:

    ```python
    with flat_updates(model):
        model.fit(x, y)
    ```
    """
    if not model.built or not can_be_flat(model):
        yield
        return
    plain = model.optimizer
    flat = FlatOptimizer(plain, model.trainable_variables)
    model.optimizer = flat
    model.train_function = None  # A step that was traced before holds the plain optimizer.
    try:
        yield
    finally:
        flat.write_back()
        if model.optimizer is flat:  # Otherwise it was compiled again in the block.
            model.optimizer = plain
            model.train_function = None


class FlatOptimizer(keras.optimizers.Optimizer):
    """Trains as another optimizer does, over variables that are joined into one vector.

    Args:
        plain: The optimizer in whose place it trains, one that `can_be_flat` admits. Its state is
            taken over.
        variables: The variables to train.

    Attributes:
        plain: As given; its state is that of the training after `write_back`.
    """

    def __init__(self, plain: keras.optimizers.Optimizer, variables: Sequence[Any]) -> None:
        super().__init__(learning_rate=0.0, name=plain.name)
        if not plain.built:
            plain.build(variables)
        self.plain = plain
        self._parts = list(variables)
        decays = [bool(plain.weight_decay) and plain._use_weight_decay(one) for one in variables]
        # Places of the variables that are joined: those with weight decay apart from the others.
        self._groups = [
            [place for place, one in enumerate(decays) if one == kind] for kind in sorted({*decays})
        ]
        self._joined = [
            keras.Variable(self._vector(variables, group), name="joined") for group in self._groups
        ]
        self._inner = type(plain).from_config(plain.get_config())
        if plain.weight_decay and not all(decays):
            self._inner.exclude_from_weight_decay(var_list=self._joined[:1])
        self._inner.build(self._joined)
        self._take_over()
        self.built = True

    @property
    def variables(self) -> list[Any]:
        """The state of the training, as the joined vectors have it."""
        return self._inner.variables

    @property
    def learning_rate(self) -> Any:
        """The learning rate, which callbacks may set."""
        return self._inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self._inner.learning_rate = learning_rate

    @property
    def iterations(self) -> Any:
        """How many steps were made."""
        return self._inner.iterations

    def build(self, variables: Sequence[Any]) -> None:
        """Does nothing: it is built when it is made."""

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Makes one step.

        Args:
            grads: The gradient of each variable, or None where it has no effect on the loss.
            trainable_variables: The variables, all of those that it was made for.

        Raises:
            ValueError: They are others, or none has an effect on the loss.
        """
        if trainable_variables is not None and (
            [id(one) for one in trainable_variables] != [id(one) for one in self._parts]
        ):
            raise ValueError(
                "The variables that are trained have changed since the training began: compile "
                "the model again after layers are frozen. "
                f"Received: {len(trainable_variables)} variables in the place of {len(self._parts)}"
            )
        # Keras's warning of gradients that are missing, and its error where all of them are.
        self._filter_empty_gradients(list(grads), self._parts)
        known = [
            ops.zeros(part.shape) if gradient is None else gradient
            for gradient, part in zip(grads, self._parts, strict=True)
        ]
        gradients = []
        for group, joined in zip(self._groups, self._joined, strict=True):
            # A callback may have changed the weights since the last step.
            joined.assign(_flat([self._parts[place].value for place in group]))
            gradients.append(_flat([known[place] for place in group]))
        self._inner.apply(gradients, self._joined)
        for group, joined in zip(self._groups, self._joined, strict=True):
            parts = [self._parts[place] for place in group]
            ends = np.cumsum([int(np.prod(part.shape)) for part in parts])[:-1]
            for part, piece in zip(parts, ops.split(joined.value, ends.tolist()), strict=True):
                part.assign(ops.reshape(piece, part.shape))

    def write_back(self) -> None:
        """Gives `plain` the state of the training."""
        self.plain.iterations.assign(self._inner.iterations)
        if not isinstance(
            self._inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule
        ):
            # Not `learning_rate`, which a schedule around the training may have made smaller.
            self.plain.learning_rate = float(self._inner._learning_rate)
        for name in self._slots():
            slots = getattr(self.plain, name)
            for vector, group in zip(getattr(self._inner, name), self._groups, strict=True):
                left = np.array(vector)
                for place in group:
                    size = int(np.prod(slots[place].shape))
                    slots[place].assign(left[:size].reshape(slots[place].shape))
                    left = left[size:]

    def save_own_variables(self, store: Any) -> None:
        """Saves what `plain` would save, for a checkpoint that a callback writes."""
        self.write_back()
        self.plain.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Loads what `plain` has saved."""
        self.plain.load_own_variables(store)
        self._take_over()

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the optimizer in whose place it trains."""
        config: dict[str, Any] = self.plain.get_config()
        return config

    def _take_over(self) -> None:
        """Takes the state of `plain`."""
        self._inner.iterations.assign(self.plain.iterations)
        for name in self._slots():
            for vector, group in zip(getattr(self._inner, name), self._groups, strict=True):
                vector.assign(self._vector(getattr(self.plain, name), group))

    def _slots(self) -> list[str]:
        """Names of the attributes that hold a variable of state for each trained one."""
        count = len(self._parts)
        return [
            name
            for name, value in vars(self.plain).items()
            if isinstance(value, list)
            and len(value) == count
            and name != "_trainable_variables"
            and all(isinstance(one, keras.Variable) for one in value)
            and name != "_variables"
        ]

    @staticmethod
    def _vector(variables: Sequence[Any], group: Sequence[int]) -> np.ndarray:
        return np.concatenate([np.array(variables[place]).ravel() for place in group])


def _flat(tensors: Sequence[Any]) -> Any:
    return ops.concatenate([ops.reshape(one, (-1,)) for one in tensors])
