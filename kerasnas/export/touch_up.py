"""What the converter leaves to be put right in its file. No byte moves: the file keeps its size."""

import re
from typing import Any

import numpy as np

# The kernels look the hyperbolic tangent of the cell state up with at least 0 integer bits.
_SMALLEST_CELL_SCALE = 2.0**-15
_CELL_STATE = 19
_OURS = re.compile(r"(input|output)_\d{3}")
# What the converter gives a tensor that was 0 on all samples, 2e-6 / 255, and what it gets here:
# with a kernel's, it makes a factor that runtimes take, and it leaves biases their precision.
_SCALE_OF_NOTHING = 8e-9
_SCALE_INSTEAD = 2.0**-10
# Operators whose biases count in the scale of their input: where that and the biases stand.
_BIASED = {"CONV_2D": (0, 2), "DEPTHWISE_CONV_2D": (0, 2), "FULLY_CONNECTED": (0, 2)}
_BIASED["TRANSPOSE_CONV"] = (2, 3)


def touch_up(data: bytes) -> bytes:
    """Puts outputs in the model's order, and repairs dead layers and cells of quantized LSTMs.

    The converter lists outputs in an order of its own; only the names in the signature tell. It
    also gives a cell state that stays below 0.5 a scale finer than 2**-15, for which the kernels
    of LiteRT and TensorFlow Lite Micro return values that have nothing to do with the layer. They
    derive all else from that scale, so the coarsest that they take is written instead. What is 0
    on all samples, such as after a ReLU that nothing passes, gets a scale so fine that LiteRT
    refuses the file.

    Args:
        data: Bytes that the converter returned, with one signature.

    Returns:
        Bytes of the same length.

    Raises:
        ValueError: If the converter has written a scale that is no number.
    """
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(data)
    model = schema.Model.GetRootAs(changed, 0)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for end in ("Inputs", "Outputs"):
        named = [getattr(signature, end)(i) for i in range(getattr(signature, f"{end}Length")())]
        in_order = sorted(named, key=lambda tensor: tensor.Name())
        if all(_OURS.fullmatch(tensor.Name().decode()) for tensor in named):
            getattr(graph, f"{end}AsNumpy")()[:] = [tensor.TensorIndex() for tensor in in_order]
    _revive(schema, model)
    lstm = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() != lstm:
            continue
        cell = graph.Tensors(operator.Inputs(_CELL_STATE))
        if cell.Type() == schema.TensorType.INT16:
            scale = cell.Quantization().ScaleAsNumpy()
            scale[:] = np.maximum(scale, _SMALLEST_CELL_SCALE)
    return bytes(changed)


def _revive(schema: Any, model: Any) -> None:
    """Gives 8-bit tensors that were always 0 a scale that runtimes take."""
    graph = model.Subgraphs(0)
    factors: dict[int, float] = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        if tensor.Quantization() is None or not tensor.Quantization().ScaleLength():
            continue
        scale = tensor.Quantization().ScaleAsNumpy()
        if not np.isfinite(scale).all():
            raise ValueError(
                f"What the layer of '{tensor.Name().decode()}' reads is 0 on all samples; the "
                "TensorFlow Lite converter has no int16x8 form of it. Use quantization='int8'."
            )
        computed = not model.Buffers(tensor.Buffer()).DataLength()
        if tensor.Type() == schema.TensorType.INT8 and computed and scale[0] < _SCALE_OF_NOTHING:
            factors[index] = _SCALE_INSTEAD / scale[0]
            scale[:] = _SCALE_INSTEAD
    places = {getattr(schema.BuiltinOperator, kind): at for kind, at in _BIASED.items()}
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        kind = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if kind not in places or operator.InputsLength() <= places[kind][1]:
            continue
        read, bias = (operator.Inputs(at) for at in places[kind])
        if read not in factors or bias < 0:
            continue
        tensor = graph.Tensors(bias)
        scale = tensor.Quantization().ScaleAsNumpy()
        scale *= np.float32(factors[read])
        values = model.Buffers(tensor.Buffer()).DataAsNumpy().view("int32")
        values[:] = np.round(values / factors[read])
