"""Names the layers that TensorFlow Lite's converter cannot convert, before it starts.

It would not say which: it ends its process, or names an operator of its own.
"""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.export.ranges import kind, nodes

# Layers that some bit widths have no form of, and layers that may hold such a layer.
LIMITED = (
    *("Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LayerNormalization"),
    *("LSTM", "RNN", "SimpleRNN", "TimeDistributed"),
)
_MASKED = (
    "with the mask of an Embedding or a Masking layer it is a loop over time, which has no such "
    "form; build it with unroll=True, or leave the mask out"
)
_LOOPS = ("GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


def check_bits(quantization: str) -> None:
    """Raises an error if files of these bits need a package that is not installed."""
    if quantization == "int4" and importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ImportError(
            "quantization='int4' needs ai-edge-quantizer: pip install 'kerasnas[int4]', or use "
            "'dynamic', whose weights are int8"
        )


def check_layers(model: Any, quantization: str) -> None:
    """Raises an error if a model has layers that are known to fail.

    Args:
        model: tf_keras model.
        quantization: As in `to_tflite`.

    Raises:
        ValueError: If there are such layers, with the way out for each.
    """
    reason = {"int8": _not_int8, "int16x8": _not_int16}.get(quantization)
    if reason is None:
        return
    import tf_keras

    layers = [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.Layer)]
    found = {layer: why for layer in layers if (why := reason(layer))}
    found = {layer: _MASKED for layer in model.layers if _loops_masked(layer)} | found
    problems = [f"  '{layer.name}' ({type(layer).__name__}): {why}" for layer, why in found.items()]
    if problems:
        raise ValueError(
            f"The TensorFlow Lite converter cannot make '{model.name}' {quantization}; "
            "quantization='float16', 'dynamic' and 'float32' work. Or replace these layers:\n"
            + "\n".join(problems)
        )


def check_indices(model: Any, samples: Sequence[np.ndarray]) -> None:
    """Raises an error if samples hold an index that is outside the table of an Embedding.

    Args:
        model: tf_keras model.
        samples: One array for each input.

    Raises:
        ValueError: If there is one. The layer is named.
    """
    import tf_keras

    for node in nodes(model):
        layer = node.layer
        if kind(layer) != "Embedding":
            continue
        table = getattr(layer, "layer", layer).input_dim
        read = tf_keras.Model(model.inputs, node.keras_inputs[0])
        indices = np.asarray(read(samples if len(samples) > 1 else samples[0]))
        if indices.size and not (indices.min() >= 0 and indices.max() < table):
            wrong = indices.max() if indices.max() >= table else indices.min()
            raise ValueError(
                f"'{layer.name}' (Embedding) reads indices from 0 to {table - 1}, the size of its "
                f"table being {table}. Received: the index {wrong:g} in the representative data. "
                "Give the layer a larger `input_dim`, or map such indices to one of the table"
            )


def _loops_masked(layer: Any) -> bool:
    """Returns whether a layer is an LSTM, or holds one, that is called with a mask."""
    recurrent = [part for part in (layer, *layer.submodules) if type(part).__name__ == "LSTM"]
    if not any(not part.unroll for part in recurrent):
        return False
    return any(
        node.call_kwargs.get("mask") is not None
        or any(getattr(tensor, "_keras_mask", None) is not None for tensor in node.keras_inputs)
        for node in layer.inbound_nodes
    )


def _not_int8(layer: Any) -> str | None:
    kind = type(layer).__name__
    if kind in _LOOPS and not getattr(layer, "unroll", False):
        unrolled = ", or build it with unroll=True" if kind in ("GRU", "SimpleRNN") else ""
        return f"its loop over time has no such form; use LSTM or a convolution{unrolled}"
    if kind == "LSTM" and not layer.unroll:
        config = layer.get_config()
        gates = (config["activation"], config["recurrent_activation"], config["use_bias"])
        if gates != ("tanh", "sigmoid", True):
            return (
                "only an LSTM with activation='tanh', recurrent_activation='sigmoid' and "
                "use_bias=True has such a form; use those, or build it with unroll=True"
            )
    return None


def _not_int16(layer: Any) -> str | None:
    if type(layer).__name__ == "LSTM" and not layer.unroll:
        return "it has an int8 form only; use quantization='int8', or build it with unroll=True"
    if type(layer).__name__ == "LayerNormalization":
        return "LiteRT crashes on its file; use quantization='int8', or BatchNormalization"
    return _not_int8(layer)
