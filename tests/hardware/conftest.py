"""Files of hand-made graphs."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema


def _tensor(buffers, name, shape, dtype="FLOAT32", data=None, **fields):
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, list(shape)
    tensor.type = getattr(schema.TensorType, dtype)
    tensor.buffer = 0
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.asarray(data).tobytes(), np.uint8)
        tensor.buffer = len(buffers)
        buffers.append(buffer)
    scales = fields.pop("scales", None)
    if scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [0.5] * scales
        tensor.quantization.zeroPoint = [0] * scales
    for field, value in fields.items():
        setattr(tensor, field, value)
    return tensor


def _operator(codes, kind, inputs, outputs, options=None):
    operator = schema.OperatorT()
    custom = not hasattr(schema.BuiltinOperator, kind)
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, "CUSTOM" if custom else kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.customCode = kind if custom else None
    code.version = 1
    operator.opcodeIndex = len(codes)
    codes.append(code)
    operator.inputs, operator.outputs = list(inputs), list(outputs)
    if options is not None:
        name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.builtinOptions = options
    return operator


@pytest.fixture
def make_tflite():
    """Makes the bytes of a file.

    Args:
        graphs: For each graph its tensors (arguments of `_tensor`), operators (arguments of
            `_operator`), inputs and outputs.
    """

    def make(*graphs) -> bytes:
        model = schema.ModelT()
        model.version = 3
        model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT()], [], []
        for tensors, operators, inputs, outputs in graphs:
            graph = schema.SubGraphT()
            graph.tensors = [_tensor(model.buffers, **fields) for fields in tensors]
            graph.operators = [_operator(model.operatorCodes, *given) for given in operators]
            graph.inputs, graph.outputs = list(inputs), list(outputs)
            model.subgraphs.append(graph)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    return make


@pytest.fixture(autouse=True)
def _any_values(monkeypatch):
    """Sizes are tested here: that random weights leave 8 bits nothing to hold is no error."""
    monkeypatch.setattr("kerasnas.export.conversion.check_file", lambda *args: None)
