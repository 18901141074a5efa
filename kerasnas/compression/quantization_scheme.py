"""The 8-bit scheme of quantization-aware training: TFMOT's own, with three gaps closed.

Multiply, Subtract, Average, Maximum and Minimum are quantized (TFMOT refuses them); the kernel of
a layer that is followed by a ReLU layer without BatchNormalization is quantized too (TFMOT trains
it in float, and the converter rounds it afterwards); kernels keep the zeros that pruning put there,
by TFMOT's own prune-preserving quantizers. Private names were read in TFMOT 0.8.1.
"""

from functools import cache
from typing import Any

_MERGES = ("Average", "Maximum", "Minimum", "Multiply", "Subtract")
# Layers that the transforms of TFMOT turn into supported ones.
_TRANSFORMED = ("BatchNormalization", "InputLayer", "SeparableConv2D")
_ACTIVATIONS = ("gelu", "linear", "relu", "relu6", "sigmoid", "silu", "softmax", "tanh")


def unsupported(kind: str, config: dict[str, Any]) -> str | None:
    """Why quantization-aware training cannot take a layer of a canonical graph.

    Args:
        kind: Class name in `tf_keras.layers`.
        config: The layer's config.

    Returns:
        The reason, or None if it can.
    """
    import tf_keras

    if kind in _TRANSFORMED:
        return None
    if kind == "Activation" and config["activation"] not in _ACTIVATIONS:
        return f"activation {config['activation']!r} has no 8-bit form"
    registry = _classes()["Registry"]()
    if not registry._is_supported_layer(getattr(tf_keras.layers, kind)):
        return "the layer has no 8-bit form"
    return None


def scheme() -> Any:
    """The scheme, for `tfmot.quantization.keras.quantize_apply`."""
    return _classes()["Scheme"]()


@cache
def _classes() -> dict[str, Any]:
    """The classes, which derive from TFMOT's: importing it takes TensorFlow and seconds."""
    from kerasnas.compression.tfmot import import_tfmot

    tfmot = import_tfmot()
    import tf_keras
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as configs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registries,
    )

    prune_preserving = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme
    default = tfmot.quantization.keras.default_8bit

    class Registry(default.Default8BitQuantizeRegistry):
        def __init__(self) -> None:
            super().__init__()
            for kind in _MERGES:
                layer_class = getattr(tf_keras.layers, kind)
                self._layer_quantize_map[layer_class] = configs.Default8BitOutputQuantizeConfig()

    class Layout(default.Default8BitQuantizeLayoutTransform):
        def apply(self, model: Any, layer_quantize_map: Any) -> Any:
            model, layer_quantize_map = super().apply(model, layer_quantize_map)
            for layer in model.layers:
                entry = layer_quantize_map.get(layer.name)
                if entry is not None and isinstance(layer, tuple(kernel_classes)):
                    entry["quantize_config"] = kernel_config(layer, entry.get("quantize_config"))
            return model, layer_quantize_map

    class Scheme(default.Default8BitQuantizeScheme):
        def get_layout_transformer(self) -> Any:
            return Layout()

        def get_quantize_registry(self) -> Any:
            return Registry()

    class KeepZeros(tfmot.quantization.keras.quantizers.Quantizer):
        """Any quantizer of weights, with the zeros it finds kept: TFMOT has it for two layers."""

        def __init__(self, quantizer: Any) -> None:
            self.quantizer = quantizer

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            import tensorflow as tf

            state = self.quantizer.build(tensor_shape, name, layer)
            state["kept"] = tf.cast(getattr(layer.layer, name) != 0, tf.float32)
            return state

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            return self.quantizer(inputs * weights["kept"], training, weights, **kwargs)

        def get_config(self) -> dict[str, Any]:
            return {"quantizer": self.quantizer}

    layers = tf_keras.layers
    kernel_classes = (layers.Conv2D, layers.Conv2DTranspose, layers.Dense, layers.DepthwiseConv2D)

    def kernel_config(layer: Any, transformed: Any) -> Any:
        if isinstance(layer, layers.Conv2DTranspose):
            config = registries.Default8BitConvTransposeQuantizeConfig(
                ["kernel"], ["activation"], False
            )
            config.weight_quantizer = KeepZeros(config.weight_quantizer)
        else:
            config = prune_preserving().get_quantize_registry().get_quantize_config(layer)
        if isinstance(transformed, configs.NoOpQuantizeConfig):
            config.activation_attrs = []  # the ReLU that follows is fused, and quantized there
        return config

    return {"Registry": Registry, "Scheme": Scheme}
