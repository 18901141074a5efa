"""Files of hand-made graphs, and of networks to be compared with what is predicted of them."""

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kerasnas as kn
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import lower
from kerasnas.tflite.reader import read_tflite


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


@pytest.fixture
def fill(rng):
    """Gives a model weights of which the file has all: zeros and ones would be folded away."""

    def fill(model: keras.Model) -> None:
        for layer in model.layers:
            layer.set_weights(
                [rng.uniform(0.2, 1, w.shape) if w.ndim else w for w in layer.get_weights()]
            )

    return fill


@pytest.fixture
def compare(fill, rng):
    """Compares what is predicted of a model with its file.

    Args:
        model: The model; it gets other weights.
        dtype: What the file is quantized to.
        head: How far the arena's head may be off, relatively.
        flash: How far the file's size may be off, relatively.
        slack: By how many bytes it may be off in any case.
    """

    def compare(
        model: keras.Model,
        dtype: str,
        *,
        head: float = 0,
        flash: float = 0.05,
        slack: int = 0,
    ) -> None:
        fill(model)
        data = {
            tensor.name: rng.random((8, *tensor.shape[1:]), dtype=np.float32)
            if "float" in tensor.dtype
            else rng.integers(0, 5, (8, *tensor.shape[1:])).astype(tensor.dtype)
            for tensor in model.inputs
        }
        file = kn.export.to_tflite(model, dtype, data)
        found = [operator.kind for operator in lower(keras_graph(model), dtype).operators]
        assert found == [operator.kind for operator in read_tflite(file)[0].operators]
        profile, real = kn.profile(model, dtype), kn.hardware.profile_tflite(file)
        assert profile.macs == real.macs
        assert profile.work == real.work
        for one in (profile, real):  # Buffers begin at multiples of 16 bytes.
            assert 0 <= one.arena_head - max(layer.arena_bytes for layer in one.layers) < 16
        assert profile.arena_head == pytest.approx(real.arena_head, rel=head)
        assert profile.ram_bytes == pytest.approx(real.ram_bytes, rel=0.02)
        assert profile.flash_bytes == pytest.approx(real.flash_bytes, rel=flash, abs=slack)

    return compare


@pytest.fixture
def compare_all(compare):
    """Compares one file, of an input and an output for each of several functions.

    Args:
        cases: Shape of the input and function, for each.
        dtype: What the file is quantized to.
        head: How far the arena's head may be off, relatively.
    """

    def compare_all(cases, dtype: str, head: float = 0) -> None:
        keras.utils.set_random_seed(0)
        inputs = [keras.Input(shape) for shape, _ in cases]
        outputs = [make(x) for x, (_, make) in zip(inputs, cases, strict=True)]
        compare(keras.Model(inputs, outputs), dtype, head=head, slack=100)

    return compare_all
