"""Which Keras 3 layers have a twin in tf_keras, and how their configs differ: one row a layer."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

# Equal in Keras 3 and Keras 2 on [-8, 8]. `hard_sigmoid` is not in the list: the two libraries
# give it different slopes (relu6(x + 3) / 6 against clip(0.2 x + 0.5, 0, 1)).
ACTIVATIONS = (
    *("elu", "exponential", "gelu", "leaky_relu", "linear", "log_softmax", "mish", "relu"),
    *("relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"),
)

_ANY = object()
# Keys that Keras 2 does not know, and the only value with which leaving them out changes nothing.
_NEUTRAL: dict[str, Any] = {
    "data_format": "channels_last",
    "lora_alpha": None,
    "lora_rank": None,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": _ANY,
    "rms_scaling": False,
    "seed": _ANY,
    "use_cudnn": _ANY,
    "zero_output_for_mask": False,
}


@dataclass(frozen=True)
class Row:
    """How one Keras 3 layer becomes a tf_keras layer.

    Args:
        renamed: Keras 3 config keys that have another name in Keras 2.
        weights_in_config: Function from the layer to config entries, for a layer whose weights
            Keras 2 takes from its constructor only.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    weights_in_config: Any = None


def _normalization_statistics(layer: keras.layers.Layer) -> dict[str, Any]:
    # The layer holds them in the shape that broadcasts against its input.
    mean = np.squeeze(keras.ops.convert_to_numpy(layer.mean))
    variance = np.squeeze(keras.ops.convert_to_numpy(layer.variance))
    return {"mean": mean.tolist(), "variance": variance.tolist()}


LAYERS: dict[str, Row] = {
    # convolution
    "Conv1D": Row(),
    "Conv2D": Row(),
    "Conv1DTranspose": Row(),
    "Conv2DTranspose": Row(),
    "DepthwiseConv1D": Row(),
    "DepthwiseConv2D": Row(),
    "SeparableConv1D": Row(),
    "SeparableConv2D": Row(),
    # dense and recurrent
    "Dense": Row(),
    "Embedding": Row(),
    "GRU": Row(),
    "LSTM": Row(),
    "SimpleRNN": Row(),
    # normalization
    "BatchNormalization": Row(),
    "GroupNormalization": Row(),
    "LayerNormalization": Row(),
    "Normalization": Row(weights_in_config=_normalization_statistics),
    "Rescaling": Row(),
    "UnitNormalization": Row(),
    # activation
    "Activation": Row(),
    "ELU": Row(),
    "LeakyReLU": Row(renamed={"negative_slope": "alpha"}),
    "PReLU": Row(),
    "ReLU": Row(),
    "Softmax": Row(),
    # merging
    "Add": Row(),
    "Average": Row(),
    "Concatenate": Row(),
    "Maximum": Row(),
    "Minimum": Row(),
    "Multiply": Row(),
    "Subtract": Row(),
    # pooling
    "AveragePooling1D": Row(),
    "AveragePooling2D": Row(),
    "GlobalAveragePooling1D": Row(),
    "GlobalAveragePooling2D": Row(),
    "GlobalMaxPooling1D": Row(),
    "GlobalMaxPooling2D": Row(),
    "MaxPooling1D": Row(),
    "MaxPooling2D": Row(),
    # shape
    "Cropping1D": Row(),
    "Cropping2D": Row(),
    "Flatten": Row(),
    "Identity": Row(),
    "Permute": Row(),
    "RepeatVector": Row(),
    "Reshape": Row(),
    "UpSampling1D": Row(),
    "UpSampling2D": Row(),
    "ZeroPadding1D": Row(),
    "ZeroPadding2D": Row(),
    # training only
    "ActivityRegularization": Row(),
    "Dropout": Row(),
    "GaussianDropout": Row(),
    "GaussianNoise": Row(),
    "SpatialDropout1D": Row(),
    "SpatialDropout2D": Row(),
}


def carried_config(layer: keras.layers.Layer) -> dict[str, Any]:
    """The config with which tf_keras builds the same layer.

    Args:
        layer: Built Keras 3 layer.

    Returns:
        Keyword arguments for the tf_keras class of the same name, without its `name`.

    Raises:
        ValueError: If the layer, or an option it is used with, has no twin. The message is the
            reason alone; the caller names the layer.
    """
    kind = type(layer).__name__
    if kind not in LAYERS or type(layer) is not getattr(keras.layers, kind):
        raise ValueError("no tf_keras layer does the same")
    if layer.compute_dtype != "float32":
        raise ValueError(
            f"it computes in {layer.compute_dtype}; only float32 is carried: build the model "
            "with `dtype='float32'`"
        )
    row = LAYERS[kind]
    known = _constructor_arguments(kind)
    carried: dict[str, Any] = {}
    for key, value in layer.get_config().items():
        target = row.renamed.get(key, key)
        if key in ("name", "dtype") or key.endswith("_initializer"):
            continue  # weights are copied, so how they were initialized does not matter
        if key not in row.renamed and (target not in known or key == "seed"):
            _check_neutral(key, value)
        elif key == "activation" or key.endswith("_activation"):
            carried[target] = _carried_activation(value)
        elif key.endswith(("_regularizer", "_constraint")):
            carried[target] = _carried_object(key, value)
        elif key == "data_format" and value == "channels_first":
            raise ValueError("data_format='channels_first' does not run on TensorFlow Lite")
        else:
            carried[target] = value
    if row.weights_in_config is not None:
        carried.update(row.weights_in_config(layer))
    return carried


def _constructor_arguments(kind: str) -> set[str]:
    import tf_keras

    names = {"trainable"}
    for base in getattr(tf_keras.layers, kind).__mro__:
        if base is tf_keras.layers.Layer:
            break
        names |= set(inspect.signature(base.__init__).parameters)
    return names


def _check_neutral(key: str, value: Any) -> None:
    if key not in _NEUTRAL or (_NEUTRAL[key] is not _ANY and value != _NEUTRAL[key]):
        raise ValueError(f"tf_keras has no counterpart of {key}={value!r}")


def _carried_activation(value: Any) -> str:
    if value not in ACTIVATIONS:
        raise ValueError(
            f"activation {value!r} is not the same in tf_keras; carried: {', '.join(ACTIVATIONS)}"
        )
    return value


def _carried_object(key: str, value: Any) -> dict[str, Any] | None:
    import tf_keras

    if value is None:
        return None
    module = tf_keras.regularizers if key.endswith("_regularizer") else tf_keras.constraints
    name = value.get("class_name") if isinstance(value, dict) else value
    if not hasattr(module, str(name)):
        raise ValueError(f"tf_keras has no counterpart of {key}={name!r}")
    return {"class_name": name, "config": value["config"]}
