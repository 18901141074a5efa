"""A batch normalization that keeps slow moving statistics beside its own."""

from typing import Any

import keras

SLOW = 0.99  # Keras's default momentum.


class TwoAverages(keras.layers.BatchNormalization):
    """Averages with its own momentum, and with Keras's default one beside that."""

    @classmethod
    def in_place_of(cls, layer: keras.layers.Layer) -> keras.layers.Layer:
        """A copy of a layer; of a batch normalization, one of this class."""
        kind = cls if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Adds the slow statistics."""
        super().build(input_shape)
        shape = (input_shape[-1],)
        self.slow_mean = self.add_weight(shape=shape, initializer="zeros", trainable=False)
        self.slow_variance = self.add_weight(shape=shape, initializer="ones", trainable=False)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes, and averages both ways in training."""
        own = (self.moving_mean, self.moving_variance)
        before = [keras.ops.convert_to_tensor(variable) for variable in own]
        outputs = super().call(inputs, training=training, mask=mask)
        if training:
            slow = (self.slow_mean, self.slow_variance)
            for variable, fast, old in zip(slow, own, before, strict=True):
                seen = (fast - self.momentum * old) / (1 - self.momentum)
                variable.assign(SLOW * variable + (1 - SLOW) * seen)
        return outputs

    def use_slow(self) -> None:
        """Puts the slow statistics in the place of its own."""
        self.moving_mean.assign(self.slow_mean)
        self.moving_variance.assign(self.slow_variance)
