"""Masks in quantization-aware training, whose wrappers from TFMOT do not pass masks on.

A wrapper takes the mask that Keras gives every layer, and gives it to layers that do not know
masks. So the network is wrapped with its masks switched off, and they are switched on afterwards.

How a layer of tf_keras is given its mask is private; read in tf_keras 2.21.0
(`src/engine/base_layer.py`, `src/utils/layer_utils.py`).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.tfmot import import_tfmot
from kerasnas.keras_models.walk import carries_mask

# Layers that compute with the mask of what they read.
_READERS = ("AdditiveAttention", "Attention", "GlobalAveragePooling1D", "MultiHeadAttention")


def float_masks(graph: LayerGraph) -> dict[str, str]:
    """Returns the layers whose masks have no 8-bit form.

    Args:
        graph: The network, in canonical form.

    Returns:
        The reason for each, by the name of the layer.
    """
    found = {}
    for node in graph.nodes:
        kind, name = node.layer.kind, node.layer.name
        if kind == "Masking":
            found[name] = "it compares numbers, which has no 8-bit form; leave it out"
        elif kind in _READERS and any(map(carries_mask, node.inputs)):
            found[name] = (
                "what it computes with the mask of an Embedding has no 8-bit form; use "
                "mask_zero=False, GlobalMaxPooling1D or a convolution"
            )
    return found


@contextmanager
def no_masks(model: Any) -> Iterator[set[str]]:
    """Keeps the Embeddings of a tf_keras model from making masks.

    Args:
        model: tf_keras model, without Masking layers.

    Yields:
        Names of the layers that made one.
    """
    masking = [layer for layer in model.layers if getattr(layer, "mask_zero", False)]
    _switch(masking, False)
    try:
        yield {layer.name for layer in masking}
    finally:
        _switch(masking, True)


def hand_masks_on(quantized: Any, masking: Collection[str]) -> None:
    """Lets Embeddings make masks, and wrapped layers treat them as the layers inside them do.

    Args:
        quantized: Model that TFMOT has wrapped.
        masking: Names of the Embeddings.
    """
    if not masking:
        return
    _switch([layer for layer in quantized.layers if layer.name in masking], True)
    for wrapper in quantized.layers:
        if isinstance(wrapper, import_tfmot().quantization.keras.QuantizeWrapper):
            wrapper.supports_masking = wrapper.layer.supports_masking
            wrapper.compute_mask = wrapper.layer.compute_mask
            wrapper._call_spec.expects_mask_arg = wrapper.layer._call_spec.expects_mask_arg


def _switch(layers: Collection[Any], on: bool) -> None:
    for layer in layers:
        layer.mask_zero = layer.supports_masking = on
