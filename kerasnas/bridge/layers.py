"""Lists the Keras 3 layers that have a counterpart in tf_keras, and how their configs differ.

What is in neither table, such as a Lambda, a layer of the user's own or one with an option that
Keras 2 lacks, is called as it is by a tf_keras layer (`passthrough.py`):

| Keras 3                                           | becomes                                      |
|---------------------------------------------------|----------------------------------------------|
| a layer of `LAYERS`, with options that both know  | the tf_keras layer of the same name          |
| an activation that Keras 2 lacks or has otherwise | the same layer, with a function of ours      |
| LayerScale, StochasticDepth, CustomScaleLayer     | DepthwiseConv2D, Dropout, Rescaling and Add  |
| an operation of `OPERATIONS`                      | the tf_keras layer that does it              |
| augmentation, GaussianNoise                       | nothing                                      |
| the mask of an Embedding or Masking               | nothing: tf_keras makes its own              |
| any other operation                               | KerasOperation (TensorFlow backend only)     |
| any other layer                                   | KerasLayer (TensorFlow backend only)         |
| stateful, channels_first, sparse, strings, tables | an error that names it                       |
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.activations import EQUAL, GIVEN
from kerasnas.keras_models.traits import names

_ANY = object()
# Keys that Keras 2 does not know, and the only value with which leaving them out changes nothing.
_NEUTRAL: dict[str, Any] = {
    "antialias": False,
    "data_format": "channels_last",
    "fill_mode": "constant",
    "fill_value": 0.0,
    "lora_alpha": None,
    "lora_rank": None,
    "pad_to_aspect_ratio": False,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": _ANY,
    "rms_scaling": False,
    "seed": _ANY,
    "sliding_window": None,
    "use_cudnn": _ANY,
    "use_gate": False,
    "zero_output_for_mask": False,
}
# Layers whose `zero_output_for_mask` tf_keras takes out of its `**kwargs`.
_RECURRENT = ("GRU", "LSTM", "RNN", "SimpleRNN")


class NoCounterpart(ValueError):
    """No tf_keras layer does the same.

    The message is the reason alone; the caller adds the name.
    """


@dataclass(frozen=True)
class Row:
    """How one Keras 3 layer becomes a tf_keras layer.

    Args:
        kind: Name of the tf_keras class, where it is another.
        renamed: Keras 3 config keys that have another name in Keras 2.
        left_out: Config keys that Keras 2 has no use for.
        of_layer: Function from the layer to config entries that its own config does not hold, or
            not in this form.
        holds: Attributes that hold layers, by the argument that takes them.
        weights: Function from the layer to the weights of the tf_keras layer, where they are not
            the same arrays in the same order.
    """

    kind: str | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    of_layer: Callable[[Any], dict[str, Any]] | None = None
    holds: dict[str, str] = field(default_factory=dict)
    weights: Callable[[Any], list[Any]] | None = None


def _normalization_statistics(layer: keras.layers.Layer) -> dict[str, Any]:
    # The layer holds the statistics in a shape that broadcasts against its input.
    mean = np.squeeze(keras.ops.convert_to_numpy(layer.mean))
    variance = np.squeeze(keras.ops.convert_to_numpy(layer.variance))
    return {"mean": mean.tolist(), "variance": variance.tolist()}


LAYERS: dict[str, Row] = {
    **dict.fromkeys(names(lambda traits: traits.in_tf_keras), Row()),
    "Bidirectional": Row(holds={"layer": "forward_layer", "backward_layer": "backward_layer"}),
    "Discretization": Row(left_out=("num_bins",)),
    "LeakyReLU": Row(renamed={"negative_slope": "alpha"}),
    "Normalization": Row(of_layer=_normalization_statistics, weights=lambda layer: []),
    "RNN": Row(holds={"cell": "cell"}),
    "StackedRNNCells": Row(holds={"cells": "cells"}),
    "TimeDistributed": Row(holds={"layer": "layer"}),
}

# Layers of Keras Applications that are not in `keras.layers`, by module and class.
_OF_APPLICATIONS: dict[tuple[str, str], Row] = {
    ("keras.src.applications.convnext", "LayerScale"): Row(
        kind="DepthwiseConv2D",
        left_out=("init_values", "projection_dim"),
        of_layer=lambda layer: {"kernel_size": 1, "use_bias": False},
        weights=lambda layer: [keras.ops.reshape(layer.gamma, (1, 1, -1, 1))],
    ),
    ("keras.src.applications.convnext", "StochasticDepth"): Row(
        kind="Dropout",
        renamed={"drop_path_rate": "rate"},
        of_layer=lambda layer: {"noise_shape": (None, 1, 1, 1)},
        weights=lambda layer: [],
    ),
}

# What to use instead: shown if the layer cannot be called as it is.
_INSTEAD = {
    "GroupQueryAttention": "MultiHeadAttention",
    "Lambda": "keras.ops or a layer of Keras",
    "RMSNormalization": "LayerNormalization",
    "SpectralNormalization": "the layer inside it",
}
_TABLES = ("IntegerLookup", "StringLookup", "TextVectorization")


def is_scaled_sum(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer adds its second input, scaled, to its first (InceptionResNetV2)."""
    module = "keras.src.applications.inception_resnet_v2"
    return (type(layer).__module__, type(layer).__name__) == (module, "CustomScaleLayer")


def instead(layer: keras.Operation) -> str:
    """Returns what to use instead of a layer without counterpart, as part of a sentence."""
    return _INSTEAD.get(type(layer).__name__, "layers of Keras that have one")


def converted_config(layer: keras.layers.Layer) -> tuple[str, dict[str, Any], list[np.ndarray]]:
    """Returns how tf_keras builds the same layer.

    Args:
        layer: Built Keras 3 layer that computes in float32.

    Returns:
        Tuple of the name of the tf_keras class, its keyword arguments without `name`, and its
        weights. Layers inside the layer are in the arguments as they are.

    Raises:
        NoCounterpart: If the layer, or an option it is used with, has no twin.
        ValueError: If it cannot be called as it is either.
    """
    name = type(layer).__name__
    if name in _TABLES:
        raise ValueError("it looks its input up in a table: do it before the model")
    if getattr(layer, "stateful", False):
        raise ValueError("stateful=True keeps a state between calls: use stateful=False")
    if layer.get_config().get("data_format") == "channels_first":
        raise ValueError("data_format='channels_first' does not run on TensorFlow Lite")
    row = _OF_APPLICATIONS.get((type(layer).__module__, name))
    if row is None and type(layer) is getattr(keras.layers, name, None):
        row = LAYERS.get(name)
    if row is None:
        raise NoCounterpart("no tf_keras layer does the same")
    kind = row.kind or name
    known = _constructor_arguments(kind)
    converted: dict[str, Any] = {}
    for key, value in layer.get_config().items():
        target = row.renamed.get(key, key)
        if key in ("name", "dtype") or key.endswith("_initializer"):
            continue  # the weights are copied, so their initializers do not matter
        if key in row.left_out or key in row.holds:
            continue
        if key not in row.renamed and (target not in known or key == "seed"):
            _check_neutral(key, value)
        elif key == "activation" or key.endswith("_activation"):
            converted[target] = _converted_activation(value)
        elif key.endswith(("_regularizer", "_constraint")):
            converted[target] = _converted_object(key, value)
        else:
            converted[target] = value
    if row.of_layer is not None:
        converted.update(row.of_layer(layer))
    converted.update({key: getattr(layer, attribute) for key, attribute in row.holds.items()})
    weights = layer.weights if row.weights is None else row.weights(layer)
    return kind, converted, [np.array(keras.ops.convert_to_numpy(w)) for w in weights]


def _constructor_arguments(kind: str) -> set[str]:
    import tf_keras

    names = {"trainable", "zero_output_for_mask"} if kind in _RECURRENT else {"trainable"}
    for base in getattr(tf_keras.layers, kind).__mro__:
        if base is tf_keras.layers.Layer:
            break
        names |= set(inspect.signature(base.__init__).parameters)
    return names


def _check_neutral(key: str, value: Any) -> None:
    if key not in _NEUTRAL or (_NEUTRAL[key] is not _ANY and value != _NEUTRAL[key]):
        raise NoCounterpart(f"tf_keras has no counterpart of {key}={value!r}")


def _converted_activation(value: Any) -> str | None:
    if value is not None and value not in (*EQUAL, *GIVEN):
        raise NoCounterpart(
            f"activation {value!r} is not in tf_keras; supported: {', '.join((*EQUAL, *GIVEN))}"
        )
    return value


def _converted_object(key: str, value: Any) -> dict[str, Any] | None:
    import tf_keras

    if value is None:
        return None
    module = tf_keras.regularizers if key.endswith("_regularizer") else tf_keras.constraints
    name = value.get("class_name") if isinstance(value, dict) else value
    if not hasattr(module, str(name)):
        raise NoCounterpart(f"tf_keras has no counterpart of {key}={name!r}")
    return {"class_name": name, "config": value["config"]}
