"""Quantization: fewer bits for weights and activations."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from kerasnas.bridge.build import build
from kerasnas.bridge.canonical import canonical, measurable
from kerasnas.bridge.graph import LayerGraph
from kerasnas.bridge.passthrough import passthrough_layers
from kerasnas.compression.masks import float_masks, hand_masks_on, no_masks
from kerasnas.compression.prune import KERNELS, model_sparsity
from kerasnas.compression.quantization_scheme import scheme, untrained
from kerasnas.compression.step import (
    SHARED_VALUES,
    ZEROS,
    BridgedStep,
    FineTuning,
    check_choice,
    check_number,
    unbox,
)
from kerasnas.compression.tfmot import import_tfmot
from kerasnas.compression.training import Training
from kerasnas.export.conversion import Quantization, convert
from kerasnas.export.limitations import LIMITED, check_bits, check_layers
from kerasnas.export.mixed import convert_mixed
from kerasnas.export.origins import in_float
from kerasnas.tflite.inspection import float_operators
from kerasnas.tflite.reader import TFLiteFile


@dataclass(frozen=True)
class Quantize(FineTuning, BridgedStep):
    """Stores the network in fewer bits. Always the last step of a recipe.

    Args:
        bits: `"int8"` (weights and activations, input and output included), `"int16x8"` (weights
            int8, activations int16), `"float16"` (weights stored in 16 bits), `"dynamic"` (weights
            int8, activations float), `"int4"` (weights in 4 bits, activations float; for phones,
            needs the extra `[int4]`) or `"float32"`.
        method: `"qat"` trains with the rounding in place, and keeps zeros that pruning made;
            `"ptq"` rounds after training. int8 takes either, "qat" unless told; the others are
            post-training. A network with layers that cannot be trained so, such as recurrent and
            attention layers, Lambdas and slices, learns with the rounding of the others in place,
            and its ranges are measured after training; the report names those layers.
        float_layers: For int8 after training: how many of the layers that 8 bits suit worst stay
            in floating point, or their names. The file then runs on phones, and on microcontrollers
            that compute in floats.
        epochs: Passes over the training data of "qat".
        batch_size: Samples in a training step of "qat".
        learning_rate: Learning rate of Adam. Quantization-aware training diverges above about 1e-4.

    Raises:
        ValueError: If an argument is out of range, or "qat" is asked for without int8.

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", arXiv 1712.05877; by TensorFlow Model Optimization.

    Example:

    ```python
    kn.compress(model, [kn.Quantize("int8")], train_data=(x, y), validation_data=(xv, yv))
    ```
    """

    bits: Quantization = "int8"
    method: Literal["qat", "ptq"] | None = None
    float_layers: int | tuple[str, ...] = 0
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 1e-4

    final: ClassVar[bool] = True

    def __post_init__(self) -> None:
        unbox(self)
        check_choice("Quantize", "bits", self.bits, get_args(Quantization))
        if self.method is not None:
            check_choice("Quantize", "method", self.method, ("qat", "ptq"))
        if self.method == "qat" and self.bits != "int8":
            raise ValueError(
                "`Quantize(method='qat')` trains for int8 only; the others are post-training. "
                f"Received: bits={self.bits!r}"
            )
        names = isinstance(self.float_layers, tuple | list)
        if names and not all(isinstance(name, str) for name in self.float_layers):  # type: ignore[union-attr]
            raise ValueError(
                "`Quantize(float_layers=...)` must be a number of layers or a tuple of names. "
                f"Received: float_layers={self.float_layers!r}"
            )
        if not names:
            check_number("Quantize", "float_layers", self.float_layers, int, 0)
        if self.float_layers and (self.bits != "int8" or self.method != "ptq"):
            raise ValueError(
                "`Quantize(float_layers=...)` is for bits='int8' with method='ptq'. Received: "
                f"bits={self.bits!r}, method={self.method!r}"
            )
        self.check_training()

    @property
    def name(self) -> str:
        """Name in the report."""
        return f"quantize {self.bits}"

    @property
    def trains(self) -> bool:
        """Whether it is quantization-aware training."""
        return self.bits == "int8" and self.method != "ptq"

    @property
    def how(self) -> str:
        """The method in the report's words."""
        return "quantization-aware" if self.trains else "post-training"

    @property
    def trained_epochs(self) -> int:
        """Passes over the training data."""
        return self.epochs if self.trains else 0

    @property
    def rewrite(self) -> Callable[[LayerGraph], LayerGraph] | None:
        """What brings the network into the form in which these bits suit it."""
        if self.trains:
            return canonical
        return measurable if self.bits in ("int8", "int16x8") else None

    def keeps(self, pattern: str) -> bool:
        """Keeps zeros and shared values, in training too."""
        return pattern in (ZEROS, SHARED_VALUES)

    def check(self, graph: LayerGraph) -> None:
        """Names every layer that cannot be converted to these bits, or be trained in them."""
        kept = untrained(graph) if self.trains else {}
        if self.trains:
            masks = float_masks(graph)
            trainable = any(n.layer.weights and n.layer.name not in kept for n in graph.nodes)
            if masks or not trainable:
                other = "Quantize('dynamic')" if masks else "Quantize('int8', method='ptq')"
                kinds = {node.layer.name: node.layer.kind for node in graph.nodes}
                problems = "\n".join(
                    f"  '{name}' ({kinds[name]}): {why}" for name, why in (masks or kept).items()
                )
                raise ValueError(
                    f"`Quantize('int8')` cannot train '{graph.name}' quantization-aware. Use "
                    f"{other}, or replace these layers:\n{problems}"
                )
        if kept or not self.trains:
            check_bits(self.bits)
            if any(node.layer.kind in LIMITED for node in graph.nodes):
                check_layers(build(graph), self.bits)

    def apply(self, model: Any, training: Training) -> Any:
        """Trains quantization-aware with TFMOT, or leaves the model as it is."""
        if not self.trains:
            return model
        tfmot = import_tfmot()
        import tf_keras

        keras_api: Any = tfmot.quantization.keras
        kept = untrained(training.graph)

        def annotated(layer: Any) -> Any:
            return layer if layer.name in kept else keras_api.quantize_annotate_layer(layer)

        # TFMOT numbers the layers that it adds, and their names end up in the file: count
        # from zero.
        tf_keras.backend.reset_uids()
        with keras_api.quantize_scope(passthrough_layers()), no_masks(model) as masking:
            marked = tf_keras.models.clone_model(model, clone_function=annotated)
            quantized = keras_api.quantize_apply(marked, scheme(training.clustered, kept))
        hand_masks_on(quantized, masking)
        _freeze(quantized, kept, training.clustered)
        training.fit(quantized, self.epochs, self.batch_size, self.learning_rate)
        if not kept:
            return quantized
        training.note = f"ranges measured after training for {', '.join(kept)}"
        return _unwrapped(quantized, model)

    def export(self, model: Any, training: Training) -> TFLiteFile:
        """Exports in the bits asked for."""
        if self.float_layers:
            file, names = convert_mixed(model, training.fed, self.float_layers)
            training.note = f"float: {', '.join(names)}"
            return file
        file = convert(model, self.bits, training.fed)
        islands = float_operators(file) if self.bits in ("int8", "int16x8") else []
        if islands:
            indexed = not {"GATHER", "CAST"}.isdisjoint(islands)
            named = in_float(file, model) or islands
            raise RuntimeError(
                f"The converter left operators in float: {', '.join(named)}. Try "
                "Quantize('dynamic'), or replace the layers that need them"
                + ("; inputs of indices need keras.Input(dtype='int32')" * indexed)
                + "."
            )
        return file


def _freeze(quantized: Any, kept: Collection[str], clustered: set[str]) -> None:
    """Leaves alone what training would undo: zeros and shared values in float, frozen layers."""
    wrapper = import_tfmot().quantization.keras.QuantizeWrapper
    for layer in quantized.layers:
        if isinstance(layer, wrapper):
            if not layer.trainable:  # TFMOT trains its kernel all the same.
                layer._non_trainable_weights += layer._trainable_weights
                layer._trainable_weights = []
        elif layer.name in kept and type(layer).__name__ in KERNELS:
            pruned = model_sparsity(quantized, {layer.name}) > 0
            layer.trainable = layer.trainable and not pruned and layer.name not in clustered


def _unwrapped(quantized: Any, model: Any) -> Any:
    """Takes what a quantization-aware model has learnt back into the model that it was made of."""
    wrapper = import_tfmot().quantization.keras.QuantizeWrapper
    known = {layer.name: layer for layer in model.layers}
    for trained in quantized.layers:
        inner = trained.layer if isinstance(trained, wrapper) else trained
        layer = known.get(inner.name)
        if layer is None or not layer.trainable:  # TFMOT's own, for an input; or frozen
            continue
        if inner is trained:
            layer.set_weights(trained.get_weights())
            continue
        # The variables that are rounded have left the layer for the wrapper, in the same order.
        for mine, learnt in zip(layer.trainable_weights, trained.trainable_weights, strict=False):
            mine.assign(learnt)
        for mine, learnt in zip(
            layer.non_trainable_weights, inner.non_trainable_weights, strict=True
        ):
            mine.assign(learnt)
    return model
