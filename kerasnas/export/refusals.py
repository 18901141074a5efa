"""Layers that TensorFlow Lite's converter cannot take in some bits, named before it starts.

It would not say which: it ends its process, or names an operator of its own.
"""

import importlib.util
from typing import Any

# Layers, and those that may hold one, that some bits have no form of.
LIMITED = (
    *("Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LayerNormalization"),
    *("LSTM", "RNN", "SimpleRNN", "TimeDistributed"),
)
_LOOPS = ("GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


def check_bits(quantization: str) -> None:
    """Raises ImportError if a file of these bits needs a package that is not there."""
    if quantization == "int4" and importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ImportError(
            "quantization='int4' needs ai-edge-quantizer: pip install 'kerasnas[int4]', or use "
            "'dynamic', whose weights are int8"
        )


def check_shapes(model: Any) -> None:
    """Refuses inputs of no fixed shape, for which no memory can be reserved.

    Args:
        model: Keras 3 or tf_keras model.

    Raises:
        ValueError: If a dimension other than the batch is None.
    """
    for tensor in getattr(model, "inputs", None) or []:
        if None in tuple(tensor.shape)[1:]:
            raise ValueError(
                "`model` must have inputs of fixed shape, for which a device reserves memory. "
                f"Received: '{model.name}' with input '{tensor.name}' of shape "
                f"{tuple(tensor.shape)}. Build it again with that shape and hand the weights over: "
                "new.set_weights(old.get_weights())"
            )


def check_layers(model: Any, quantization: str) -> None:
    """Refuses the layers that are known to fail.

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
    problems = [
        f"  '{layer.name}' ({type(layer).__name__}): {why}"
        for layer in layers
        if (why := reason(layer))
    ]
    if problems:
        raise ValueError(
            f"The TensorFlow Lite converter cannot make '{model.name}' {quantization}; "
            "quantization='float16', 'dynamic' and 'float32' work. Or replace these layers:\n"
            + "\n".join(problems)
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
