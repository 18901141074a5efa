"""One table of facts about the layers of Keras, and about operations of `keras.ops` like them.

The rooms above read from it what they need to know of a layer: the cost model whether a class name
and a few settings say all that it costs, the bridge whether tf_keras has the same layer,
quantization what a layer does to ranges, structured pruning whether channels pass through it. The
table holds facts only; what a room does with a layer, such as to shift its weights, stays there.

A layer of the user's own gets a row by `register_layer`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import keras


@dataclass(frozen=True, kw_only=True)
class LayerTraits:
    """What is known of a layer.

    Args:
        settings: Attributes of the layer that, beside its class and its shapes, tell its costs. It
            is then one node of the cost model, without a rule of `cost_rule`. None where it has
            such a rule, or costs that nobody knows.
        elementwise: The operators of TensorFlow Lite that compute it, for a layer of one value at a
            time, written as in `kerasnas.keras_models.activations.Function`.
        operator: The operator that its kernel, or its merge of tensors, becomes.
        inference: What is left of it outside of training: `"computed"` like any layer; `"nothing"`
            of a Dropout, which fine-tuning needs all the same; `"left_out"` of augmentation, which
            fine-tuning does not need either.
        in_tf_keras: Whether tf_keras has the same layer, with a config of the same names.
        channels_alone: Whether each channel that it makes is computed from the channel at the same
            place of what it reads, without weights. Structured pruning then goes through it.
        merges: Whether it computes each number from those at the same place of several tensors.
        compares: Whether it does so to make truth values.
        commutes: Whether the order of these tensors does not matter.
        same_range: Whether it only moves values or picks some, so that its output has the range of
            its input.
        keeps_integers: Whether it makes integers of integers.
        keeps_factor: Whether a factor above 0 on one of its inputs becomes one on its output.
        one_scale: Whether its 8-bit operator has one scale for all that it reads and writes.
        output_trained: Whether quantization-aware training learns the range of its output, although
            TensorFlow Model Optimization refuses the layer.
        lines: What becomes of it in a network of lines (1D) that is rewritten for images: `"image"`
            for a layer of lines, which becomes the 2D layer of its name; `"any"` for a layer that
            takes both.
        steps: How it works over time steps: `"each"` if it does the same to a sequence as to each
            of its steps, `"batch"` if its operator takes the steps for a batch.
        kernels: How many of its weights, from the first on, are kernels.
        multiplies: Whether its kernel is multiplied once for each position of its `"outputs"` or of
            its `"inputs"`.
        prunes: Position of the weight that magnitude pruning and clustering change.
    """

    settings: tuple[str, ...] | None = None
    elementwise: str | None = None
    operator: str | None = None
    inference: Literal["computed", "nothing", "left_out"] = "computed"
    in_tf_keras: bool = False
    channels_alone: bool = False
    merges: bool = False
    compares: bool = False
    commutes: bool = False
    same_range: bool = False
    keeps_integers: bool = False
    keeps_factor: bool = False
    one_scale: bool = False
    output_trained: bool = False
    lines: Literal["image", "any"] | None = None
    steps: Literal["each", "batch"] | None = None
    kernels: int = 0
    multiplies: Literal["outputs", "inputs"] | None = None
    prunes: int | None = None


# What many layers have in common.
_BOTH = LayerTraits(in_tf_keras=True)
_MOVED = replace(_BOTH, same_range=True, keeps_integers=True, keeps_factor=True)
_MERGE = replace(_BOTH, merges=True, keeps_integers=True, lines="any")
_ARITHMETIC = replace(_MERGE, commutes=True, output_trained=True)
_COMPARISON = LayerTraits(compares=True)
_OF_LINES = replace(_BOTH, lines="image")
_POOLED_LINES = replace(_OF_LINES, channels_alone=True)
_PADDED_LINES = replace(_OF_LINES, channels_alone=True, settings=())
_OVER_ALL = replace(_BOTH, settings=(), channels_alone=True)
_KERNEL = replace(_BOTH, kernels=1, multiplies="outputs")
_TRANSPOSED = replace(_BOTH, kernels=1, multiplies="inputs")
_REGULARIZING = replace(_BOTH, inference="nothing", steps="each")
_AUGMENTING = LayerTraits(inference="left_out", steps="each")

_AUGMENTATIONS = (
    *("AugMix", "CutMix", "Equalization", "MixUp", "RandAugment", "RandomBrightness"),
    *("RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform"),
    *("RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue"),
    *("RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation"),
    *("RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom"),
    "Solarization",
)

# Layers of which no more is known than that tf_keras has them.
_PLAIN = (
    *("AdditiveAttention", "Attention", "AveragePooling3D", "CategoryEncoding", "CenterCrop"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Dot", "EinsumDense", "Embedding", "GRU"),
    *("GRUCell", "GroupNormalization", "LSTM", "LSTMCell", "MaxPooling3D", "MultiHeadAttention"),
    *("PReLU", "Resizing", "SimpleRNN", "SimpleRNNCell", "UnitNormalization", "UpSampling3D"),
)

# By class name, of Keras's own classes and of those that users register.
LAYERS: dict[str, LayerTraits] = {
    # convolution and Dense
    "Conv1D": replace(_KERNEL, lines="image", operator="CONV_2D", prunes=0),
    "Conv1DTranspose": replace(_TRANSPOSED, lines="image", operator="TRANSPOSE_CONV"),
    "Conv2D": replace(_KERNEL, steps="batch", operator="CONV_2D", prunes=0),
    "Conv2DTranspose": replace(_TRANSPOSED, steps="batch", operator="TRANSPOSE_CONV", prunes=0),
    "Conv3D": _KERNEL,
    "Conv3DTranspose": _TRANSPOSED,
    "Dense": replace(_KERNEL, steps="each", operator="FULLY_CONNECTED", prunes=0),
    "DepthwiseConv1D": replace(_KERNEL, lines="image", operator="DEPTHWISE_CONV_2D"),
    "DepthwiseConv2D": replace(_KERNEL, steps="batch", operator="DEPTHWISE_CONV_2D"),
    "SeparableConv1D": replace(_OF_LINES, kernels=2, prunes=1),
    "SeparableConv2D": replace(_BOTH, kernels=2, prunes=1, steps="batch"),
    # other layers with weights
    "BatchNormalization": replace(_BOTH, lines="any", steps="each"),
    "LayerNormalization": replace(_BOTH, steps="each"),
    "Normalization": LayerTraits(lines="any"),
    # one value at a time
    "Activation": replace(_BOTH, lines="any", steps="each"),
    "ELU": replace(_BOTH, channels_alone=True, steps="each"),
    "LeakyReLU": LayerTraits(channels_alone=True, keeps_factor=True, lines="any", steps="each"),
    "ReLU": replace(_BOTH, channels_alone=True, lines="any", steps="each"),
    "Rescaling": replace(_BOTH, lines="any", steps="each"),
    "Softmax": replace(_BOTH, steps="each"),
    # several tensors
    "Add": replace(_MERGE, operator="ADD", commutes=True, steps="batch"),
    "Average": replace(_ARITHMETIC, operator="ADD", settings=(), keeps_integers=False),
    "Concatenate": replace(
        _BOTH,
        operator="CONCATENATION",
        one_scale=True,
        keeps_integers=True,
        lines="any",
        steps="batch",
    ),
    "Divide": LayerTraits(operator="DIV", merges=True),
    "Maximum": replace(_ARITHMETIC, operator="MAXIMUM", one_scale=True),
    "Minimum": replace(_ARITHMETIC, operator="MINIMUM", one_scale=True),
    "Multiply": replace(_ARITHMETIC, operator="MUL", keeps_factor=True, steps="batch"),
    "SquaredDifference": LayerTraits(operator="SQUARED_DIFFERENCE", merges=True),
    "Subtract": replace(_MERGE, operator="SUB", output_trained=True),
    "TrueDivide": LayerTraits(merges=True),
    # truth values
    "Equal": replace(_COMPARISON, operator="EQUAL"),
    "Greater": replace(_COMPARISON, operator="GREATER"),
    "GreaterEqual": replace(_COMPARISON, operator="GREATER_EQUAL"),
    "Less": replace(_COMPARISON, operator="LESS"),
    "LessEqual": replace(_COMPARISON, operator="LESS_EQUAL"),
    "LogicalAnd": replace(_COMPARISON, operator="LOGICAL_AND"),
    "LogicalOr": replace(_COMPARISON, operator="LOGICAL_OR"),
    "NotEqual": replace(_COMPARISON, operator="NOT_EQUAL"),
    # pooling
    "AveragePooling1D": _POOLED_LINES,
    "AveragePooling2D": replace(_BOTH, channels_alone=True, keeps_factor=True, steps="batch"),
    "GlobalAveragePooling1D": _PADDED_LINES,
    "GlobalAveragePooling2D": replace(_OVER_ALL, steps="batch"),
    "GlobalAveragePooling3D": replace(_BOTH, settings=()),
    "GlobalMaxPooling1D": _PADDED_LINES,
    "GlobalMaxPooling2D": replace(_MOVED, settings=(), channels_alone=True, steps="batch"),
    "GlobalMaxPooling3D": replace(_BOTH, settings=()),
    "MaxPooling1D": _POOLED_LINES,
    "MaxPooling2D": replace(_MOVED, channels_alone=True, steps="batch"),
    # shape
    "Cropping1D": replace(_PADDED_LINES, settings=("cropping",)),
    "Cropping2D": replace(_MOVED, settings=("cropping",), channels_alone=True),
    "Cropping3D": replace(_BOTH, settings=("cropping",)),
    "Flatten": replace(_MOVED, settings=()),
    "Masking": replace(_BOTH, settings=("mask_value",)),
    "Permute": replace(_MOVED, settings=("dims",)),
    "RepeatVector": _OVER_ALL,
    "Reshape": _MOVED,
    "UpSampling1D": _PADDED_LINES,
    "UpSampling2D": replace(_BOTH, channels_alone=True, keeps_integers=True, keeps_factor=True),
    "ZeroPadding1D": replace(_PADDED_LINES, settings=("padding",)),
    "ZeroPadding2D": replace(_MOVED, settings=("padding",), channels_alone=True, steps="batch"),
    "ZeroPadding3D": replace(_BOTH, settings=("padding",)),
    # training only
    "ActivityRegularization": replace(_REGULARIZING, settings=(), channels_alone=True),
    "AlphaDropout": _REGULARIZING,
    "Dropout": replace(
        _MOVED,
        inference="nothing",
        settings=("rate",),
        channels_alone=True,
        lines="any",
        steps="each",
    ),
    "GaussianDropout": replace(_REGULARIZING, settings=(), channels_alone=True),
    "GaussianNoise": replace(_AUGMENTING, channels_alone=True),
    "Identity": replace(_REGULARIZING, settings=(), channels_alone=True),
    "SpatialDropout1D": replace(_PADDED_LINES, inference="nothing", steps="each"),
    "SpatialDropout2D": replace(
        _MOVED, inference="nothing", settings=(), channels_alone=True, steps="each"
    ),
    "SpatialDropout3D": _REGULARIZING,
    **dict.fromkeys(_AUGMENTATIONS, _AUGMENTING),
    **dict.fromkeys(_PLAIN, _BOTH),
}

_UNKNOWN = LayerTraits()
_STEP = r"[A-Z][A-Z0-9_]*( (x|first|second|c|f|\d+|=[-.\d/]+))+"
_WRITTEN = re.compile(rf"({_STEP}(; {_STEP})*)?")
_REGISTERED: dict[str, type[keras.Operation]] = {}


def register_layer(layer_class: type[keras.layers.Layer], traits: LayerTraits) -> None:
    """Tells the cost model and the compression what a layer of your own does.

    Without it such a layer exports, but its costs are unknown until `cost_rule` tells them, and
    structured pruning keeps all channels around it.

    Args:
        layer_class: Subclass of `keras.layers.Layer`, of a name that Keras does not use.
        traits: What is known of it. Of use are `settings` and `elementwise`, by which it has costs,
            `channels_alone`, `inference` and `steps`.

    Raises:
        ValueError: If `layer_class` is no such class, or has the name of a layer that is known.

    Example:

    >>> import keras
    >>> import kerasnas as kn
    >>> class Softsign2(keras.layers.Layer):
    ...     def call(self, x):
    ...         return x / (1 + keras.ops.abs(x))
    >>> traits = kn.hardware.LayerTraits(
    ...     settings=(), elementwise="ABS x; ADD 0 =1; DIV x 1", channels_alone=True
    ... )
    >>> kn.hardware.register_layer(Softsign2, traits)
    >>> kn.profile(keras.Sequential([keras.Input((4,)), Softsign2()])).macs
    0
    """
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise ValueError(
            "Argument `layer_class` must be a subclass of keras.layers.Layer. "
            f"Received: layer_class={layer_class!r}"
        )
    name = layer_class.__name__
    if (name in LAYERS and name not in _REGISTERED) or hasattr(keras.layers, name):
        raise ValueError(
            f"Argument `layer_class` must have a name that Keras does not use: rename the class. "
            f"Received: {layer_class!r}"
        )
    if traits.elementwise is not None and not _WRITTEN.fullmatch(traits.elementwise):
        raise ValueError(
            "`LayerTraits(elementwise=...)` must be operators with their operands, such as "
            f"'ABS x; ADD 0 =1; DIV x 1'. Received: elementwise={traits.elementwise!r}"
        )
    LAYERS[name], _REGISTERED[name] = traits, layer_class


def traits_of(operation: keras.Operation) -> LayerTraits:
    """Returns what is known of a layer or an operation of `keras.ops`.

    Args:
        operation: The layer or operation. A class of the user's own that has the name of one of
            Keras's may do anything, so nothing is known of it.

    Returns:
        Its row of the table; one that says nothing where it has none.
    """
    kind = type(operation)
    known = _REGISTERED.get(kind.__name__)
    own = kind.__module__.startswith("keras.") if known is None else kind is known
    return of_kind(kind.__name__) if own else _UNKNOWN


def of_kind(kind: str) -> LayerTraits:
    """Returns what is known of a class name, of a node of a graph of costs or of the bridge."""
    return LAYERS.get(kind, _UNKNOWN)


def names(has: Callable[[LayerTraits], object]) -> Iterator[str]:
    """Returns the class names of Keras's layers and operations of a certain kind.

    Args:
        has: Function of a row; tells whether it is of that kind.

    Yields:
        The names, in the order of the table.
    """
    return (name for name, traits in LAYERS.items() if name not in _REGISTERED and has(traits))


def is_augmentation(layer: keras.Operation) -> bool:
    """Returns whether a layer is augmentation or noise, or derived from such a layer.

    Args:
        layer: Keras 3 layer.

    Returns:
        True for what does nothing outside training, and that fine-tuning does not need either:
        dropout is not among them.
    """
    kinds = names(lambda traits: traits.inference == "left_out")
    derived = any(isinstance(layer, getattr(keras.layers, name, ())) for name in kinds)
    return derived or traits_of(layer).inference == "left_out"
