"""Corrects reversals of an axis whose output has another scale than their input."""

import copy
from typing import Any

from kerasnas.tflite.tensor_names import pack

_VERSION = 2  # The version of a QUANTIZE from 8 bits to 8 bits.


def rescale_reversed(data: bytes) -> bytes:
    """Converts the input of each REVERSE_V2 into the scale of its output, where the two differ.

    A concatenation needs one scale for all that it joins, and the converter (TensorFlow 2.21) hands
    that scale to the output of a reversal, but not to its input. The kernels move the stored
    integers as they are, so that the values would be others.

    Args:
        data: Bytes of a file.

    Returns:
        The file with a QUANTIZE before each such operator.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    kinds = [code.builtinCode for code in model.operatorCodes]
    operators: list[Any] = []
    for operator in graph.operators:
        if kinds[operator.opcodeIndex] == schema.BuiltinOperator.REVERSE_V2:
            read, written = (graph.tensors[i] for i in (operator.inputs[0], operator.outputs[0]))
            if _scale(read) != _scale(written):
                rescaled = copy.copy(read)
                rescaled.quantization = written.quantization
                graph.tensors.append(rescaled)
                conversion = schema.OperatorT()
                conversion.opcodeIndex = _code(model, schema)
                conversion.inputs = [operator.inputs[0]]
                conversion.outputs = [len(graph.tensors) - 1]
                operator.inputs = [*conversion.outputs, *operator.inputs[1:]]
                operators.append(conversion)
        operators.append(operator)
    if len(operators) == len(graph.operators):
        return data
    graph.operators = operators
    return pack(model)


def _scale(tensor: Any) -> tuple[list[float], list[int]]:
    record = tensor.quantization
    if record is None or record.scale is None:
        return [], []
    return list(record.scale), list(record.zeroPoint)


def _code(model: Any, schema: Any) -> int:
    """Returns the index of QUANTIZE in the list of operator codes, and adds it if it is missing."""
    kind = schema.BuiltinOperator.QUANTIZE
    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == kind:
            code.version = max(code.version, _VERSION)
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = _VERSION
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
