"""The 8-bit scheme of quantization-aware training: TFMOT's own, with eight gaps closed.

- Multiply, Subtract, Average, Maximum and Minimum are quantized; TFMOT refuses them.
- The activation hard_silu, which is one operator of 8 bits, is quantized; TFMOT refuses it.
- The kernel of a layer that is followed by a ReLU layer without BatchNormalization is quantized
  too; TFMOT trains it in float, and the converter rounds it afterwards.
- Kernels of every kind keep the zeros that pruning put there, and the values that clustering made
  them share. TFMOT has that for two kinds of layers, and clustering for one whole model.
- The ranges of activations begin with the first batch. In TFMOT they begin with -6 to 6 and move
  by a thousandth a step, so that a short training ends with the ranges it began with.
- The range of an output of the network is that of all its values. A mean over batches cuts off the
  extremes, which what a regression predicts cannot spare.
- The inputs of a Concatenate stay in their order. TFMOT's transform of it takes them in the order
  in which the model lists its layers, which silently swaps channels.
- All that goes into a Concatenate, Maximum or Minimum has one range. These operators have one
  scale; if a range is left to any input, the converter clips the others to it.

Private names were read in TFMOT 0.8.1.
"""

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np

from kerasnas.bridge.activations import given
from kerasnas.bridge.canonical.graph_edits import integers
from kerasnas.bridge.graph import LayerGraph, LayerSpec
from kerasnas.keras_models.activations import ACTIVATIONS
from kerasnas.keras_models.traits import names, of_kind

# Layers that the transforms of TFMOT turn into supported ones.
_TRANSFORMED = ("BatchNormalization", "InputLayer")
# The share of the old range of activations that remains after each training step.
_RANGE_DECAY = 0.99
# The narrowest range, for tensors that are always 0.
_NARROWEST = 1e-3


def untrained(graph: LayerGraph) -> dict[str, str]:
    """Returns the layers of a network whose ranges quantization-aware training cannot learn.

    Args:
        graph: The network, in canonical form.

    Returns:
        The reason for each, by the name of the layer.
    """
    found: dict[str, str] = {}
    whole = integers(graph)
    for node in graph.nodes:
        spec = node.layer
        reason = _reason(spec)
        if any(id(tensor) in whole for tensor in node.inputs):
            reason = "it takes integers"
        if spec.kind == "InputLayer" and "float" not in spec.config["dtype"]:
            reason = f"it takes {spec.config['dtype']}; only float inputs can be rounded"
        axis = spec.config.get("axis", -1)
        if spec.kind == "BatchNormalization" and axis not in (-1, len(node.output.shape) - 1):
            reason = f"it normalizes axis {axis}; only the last one has an 8-bit form"
        if spec.kind != "InputLayer" and graph.calls(spec) > 1:
            reason = "it is shared by several places of the network"
        if reason:
            found[spec.name] = reason
    return found


def _reason(spec: LayerSpec) -> str | None:
    """Returns why quantization-aware training cannot take a layer, or None if it can."""
    import tf_keras

    kind, config = spec.kind, spec.config
    if spec.passed_through:
        return "it has no tf_keras counterpart, and is called as it is"
    if kind in _TRANSFORMED:
        return None
    if kind == "Activation" and not ACTIVATIONS[config["activation"]].eight_bits:
        return f"activation {config['activation']!r} has no 8-bit form"
    if kind == "ReLU" and (
        config.get("max_value") not in (None, 6.0)
        or config.get("negative_slope")
        or config.get("threshold")
    ):
        return "of its kind only ReLU and ReLU6 have an 8-bit form"
    registry = _classes()["Registry"]()
    if not registry._is_supported_layer(getattr(tf_keras.layers, kind)):
        return "the layer has no 8-bit form"
    return None


def _source(tensor: Any) -> str:
    """Returns the name of the layer that gives a tensor its range."""
    layer = tensor.node.layer
    linear = type(layer).__name__ == "Activation" and layer.activation.__name__ == "linear"
    if of_kind(type(layer).__name__).same_range or linear:
        return _source(layer.input)
    return layer.name


def scheme(clustered: Collection[str], kept: Collection[str] = ()) -> Any:
    """Returns the scheme, for `tfmot.quantization.keras.quantize_apply`.

    Args:
        clustered: Names of the layers whose weights share values.
        kept: Names of the layers that stay in float.
    """
    return _classes()["Scheme"](clustered, kept)


@cache
def _classes() -> dict[str, Any]:
    """Returns the classes that derive from TFMOT's, which takes seconds to import."""
    from kerasnas.compression.tfmot import import_tfmot

    tfmot = import_tfmot()
    import tensorflow as tf
    import tf_keras
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as configs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registries,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations.model_transformer import (  # noqa: E501
        ModelTransformer,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (
        QuantizeLayer,
    )

    api: Any = tfmot.quantization.keras
    default: Any = api.default_8bit

    class Registry(default.Default8BitQuantizeRegistry):
        def __init__(self, kept: Collection[str] = ()) -> None:
            super().__init__()
            self.kept = kept
            for kind in names(lambda traits: traits.output_trained):
                layer_class = getattr(tf_keras.layers, kind)
                self._layer_quantize_map[layer_class] = configs.Default8BitOutputQuantizeConfig()

        def supports(self, layer: Any) -> bool:
            # TFMOT also asks this about the layers that an annotated layer reads, to
            # quantize those.
            return layer.name not in self.kept and super().supports(layer)

        def get_quantize_config(self, layer: Any) -> Any:
            is_activation = isinstance(layer, layers.Activation)
            if is_activation and layer.activation is given()["hard_silu"]:
                return configs.Default8BitOutputQuantizeConfig()
            return super().get_quantize_config(layer)

    class FirstBatchQuantizer(api.quantizers.MovingAverageQuantizer):
        """8-bit activations over a range that begins with the first batch."""

        def __init__(self) -> None:
            super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            state = super().build(tensor_shape, name, layer)
            state["seen"] = layer.add_weight(f"{name}_seen", initializer="zeros", trainable=False)
            return state

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            low, high, seen = weights["min_var"], weights["max_var"], weights["seen"]
            if training:
                least, most = tf.reduce_min(inputs), tf.reduce_max(inputs)
                # A batch of zeros tells nothing, and a range of no width gives no scale.
                says = tf.logical_or(least < 0, most > 0)
                step = tf.where(seen < 0.5, 1.0, 1 - _RANGE_DECAY) * tf.cast(says, tf.float32)
                low.assign_add(step * (tf.minimum(least, 0.0) - low))
                high.assign_add(step * (tf.maximum(most, 0.0) - high))
                seen.assign(tf.maximum(seen, tf.cast(says, tf.float32)))
            return quant_ops.MovingAvgQuantize(inputs, low, high, is_training=False)

    class SharedRange:
        """The range of several tensors, which grows with all of them."""

        def __init__(self) -> None:
            self.layers: set[str] = set()
            self.variables: dict[str, Any] | None = None

    class SharedQuantizer(api.quantizers.AllValuesQuantizer):
        """8-bit activations over a shared range."""

        def __init__(self, shared: SharedRange) -> None:
            super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
            self.shared = shared

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            if self.shared.variables is None:
                self.shared.variables = super().build(tensor_shape, name, layer)
                self.shared.variables["max_var"].assign(_NARROWEST)
            return self.shared.variables

    class FirstBatchConfig(api.QuantizeConfig):
        """Another config, with its quantizers of activations replaced."""

        def __init__(self, config: Any) -> None:
            self.config = config
            self.shared: SharedRange | None = None

        def quantizer(self) -> Any:
            return FirstBatchQuantizer() if self.shared is None else SharedQuantizer(self.shared)

        def get_weights_and_quantizers(self, layer: Any) -> Any:
            return self.config.get_weights_and_quantizers(layer)

        def get_activations_and_quantizers(self, layer: Any) -> Any:
            found = self.config.get_activations_and_quantizers(layer)
            return [(activation, self.quantizer()) for activation, _ in found]

        def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
            self.config.set_quantize_weights(layer, quantize_weights)

        def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
            self.config.set_quantize_activations(layer, quantize_activations)

        def get_output_quantizers(self, layer: Any) -> Any:
            return [self.quantizer() for _ in self.config.get_output_quantizers(layer)]

        def get_config(self) -> dict[str, Any]:
            return {"config": self.config}

    class Layout(default.Default8BitQuantizeLayoutTransform):
        def __init__(self, clustered: Collection[str]) -> None:
            self.clustered = clustered

        def apply(self, model: Any, layer_quantize_map: Any) -> Any:
            known = [transform() for transform in transforms]
            names = set(layer_quantize_map)
            transformer = ModelTransformer(model, known, names, layer_quantize_map)
            model, layer_quantize_map = transformer.transform()
            registry = Registry()
            for layer in model.layers:
                entry = layer_quantize_map.get(layer.name)
                if entry is None or isinstance(layer, layers.InputLayer | QuantizeLayer):
                    continue
                config = entry.get("quantize_config")
                if isinstance(layer, kernel_classes):
                    config = kernel_config(layer, config, layer.name in self.clustered)
                elif config is None:
                    config = registry.get_quantize_config(layer)
                entry["quantize_config"] = FirstBatchConfig(config)
            share_ranges(model, layer_quantize_map)
            return model, layer_quantize_map

    class Scheme(default.Default8BitQuantizeScheme):
        def __init__(self, clustered: Collection[str], kept: Collection[str]) -> None:
            self.clustered, self.kept = clustered, kept

        def get_layout_transformer(self) -> Any:
            return Layout(self.clustered)

        def get_quantize_registry(self) -> Any:
            return Registry(self.kept)

    class KeepPattern(api.quantizers.Quantizer):
        """Another quantizer of weights, with zeros kept zero and shared values kept shared."""

        def __init__(self, quantizer: Any, shared: bool) -> None:
            self.quantizer, self.shared = quantizer, shared

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            state = self.quantizer.build(tensor_shape, name, layer)
            kernel = getattr(layer.layer, name).numpy()
            if self.shared:
                values, members = np.unique(kernel, return_inverse=True)
                self.values, self.members = len(values), members.ravel()
            self.kept = (kernel != 0).astype("float32")
            return state

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            if self.shared and training:
                # Equal weights stay equal: each gets the mean of their gradients.
                flat = tf.reshape(inputs, [-1])
                means = tf.math.unsorted_segment_mean(flat, self.members, self.values)
                inputs = tf.reshape(tf.gather(means, self.members), inputs.shape)
            return self.quantizer(inputs * self.kept, training, weights, **kwargs)

        def get_config(self) -> dict[str, Any]:
            return {"quantizer": self.quantizer, "shared": self.shared}

    # In the order of TFMOT's own list, without those of layers that `canonical` rewrites.
    transforms = (
        default.default_8bit_transforms.InputLayerQuantize,
        default.default_8bit_transforms.Conv2DBatchNormReLUQuantize,
        default.default_8bit_transforms.Conv2DBatchNormActivationQuantize,
        default.default_8bit_transforms.Conv2DBatchNormQuantize,
        default.default_8bit_transforms.LayerReLUQuantize,
        default.default_8bit_transforms.LayerReluActivationQuantize,
    )

    def share_ranges(model: Any, layer_quantize_map: Any) -> None:
        """Gives an output a range that grows, and all that goes into a merge of one scale one."""
        groups = {_source(tensor): SharedRange() for tensor in model.outputs}
        for layer in model.layers:
            if not of_kind(type(layer).__name__).one_scale:
                continue
            group = SharedRange()
            for name in (layer.name, *(_source(tensor) for tensor in tf.nest.flatten(layer.input))):
                if name in groups:
                    group.layers |= groups[name].layers
                group.layers.add(name)
            groups.update(dict.fromkeys(group.layers, group))
        for name, group in groups.items():
            config = layer_quantize_map.get(name, {}).get("quantize_config")
            if isinstance(config, FirstBatchConfig):
                config.shared = group

    layers = tf_keras.layers
    kernel_classes = (layers.Conv2D, layers.Conv2DTranspose, layers.Dense, layers.DepthwiseConv2D)

    def kernel_config(layer: Any, transformed: Any, shared: bool) -> Any:
        if isinstance(layer, layers.Conv2DTranspose):
            config = registries.Default8BitConvTransposeQuantizeConfig(
                ["kernel"], ["activation"], False
            )
        else:
            config = Registry().get_quantize_config(layer)
        config.weight_quantizer = KeepPattern(config.weight_quantizer, shared)
        if isinstance(transformed, configs.NoOpQuantizeConfig):
            config.activation_attrs = []  # the ReLU that follows is fused, and quantized there
        return config

    return {"Registry": Registry, "Scheme": Scheme}
