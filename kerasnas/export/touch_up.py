"""What the converter leaves to be put right in its file. No byte moves: the file keeps its size."""

import re

import numpy as np

# The kernels look the hyperbolic tangent of the cell state up with at least 0 integer bits.
_SMALLEST_CELL_SCALE = 2.0**-15
_CELL_STATE = 19
_OURS = re.compile(r"(input|output)_\d{3}")


def touch_up(data: bytes) -> bytes:
    """Puts inputs and outputs in the model's order, and repairs the cells of quantized LSTMs.

    The converter lists outputs in an order of its own; only the names in the signature tell. It
    also gives a cell state that stays below 0.5 a scale finer than 2**-15, for which the kernels
    of LiteRT and TensorFlow Lite Micro return values that have nothing to do with the layer. They
    derive all else from that scale, so the coarsest that they take is written instead.

    Args:
        data: Bytes that the converter returned, with one signature.

    Returns:
        Bytes of the same length.
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
