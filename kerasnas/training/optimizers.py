"""Optimizers by name, with a learning rate that suits each."""

from typing import Any

import keras

# The rate of Adam is measured: benchmarks/training_defaults.py. Those of "sgd", "momentum",
# "adagrad", "rmsprop" and "lion" were compared with others on a few small networks only.
DEFAULT_RATES = {
    "adam": 5e-3,
    "adamw": 5e-3,
    "sgd": 2e-1,
    "momentum": 5e-2,
    "nesterov": 5e-2,
    "adagrad": 5e-2,
    "rmsprop": 3e-3,
    "lion": 1e-3,
}
_MOMENTUM = 0.9
# Decay pulls kernels to zero; of these it would change what a layer is for.
_NOT_DECAYED = ["bias", "gamma", "beta"]


def make_optimizer(
    name: str,
    learning_rate: float,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer.

    Args:
        name: One of `DEFAULT_RATES`.
        learning_rate: Its rate.
        weight_decay: Share of the weights that is taken off in each step, times the rate; None for
            the optimizer's own. Biases and normalizations do not decay.
        clip_norm: Largest length of all gradients together.
        clip_value: Largest size of each value of a gradient.
    """
    rest: dict[str, Any] = {"global_clipnorm": clip_norm, "clipvalue": clip_value}
    if weight_decay is not None:
        # Keras takes 0 for a decay, too, and then computes it in every step.
        rest["weight_decay"] = weight_decay or None
    optimizers = keras.optimizers
    made: keras.optimizers.Optimizer
    if name in ("momentum", "nesterov"):
        made = optimizers.SGD(
            learning_rate, momentum=_MOMENTUM, nesterov=name == "nesterov", **rest
        )
    else:
        kinds = {
            "adam": optimizers.Adam,
            "adamw": optimizers.AdamW,
            "sgd": optimizers.SGD,
            "adagrad": optimizers.Adagrad,
            "rmsprop": optimizers.RMSprop,
            "lion": optimizers.Lion,
        }
        if name == "adamw" and weight_decay == 0:
            name = "adam"  # AdamW refuses no decay, which is Adam.
        made = kinds[name](learning_rate, **rest)
    if made.weight_decay:
        made.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return made
