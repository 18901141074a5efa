"""Reads a `.tflite` file into plain tuples, without trusting a number in it.

The generated reader believes every offset and length in the file. Here each is checked before it
is followed by a loop, so that the work and the memory are bounded by the size of the file.
"""

import math
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kerasnas.runtime.files import content

Shape = tuple[int, ...]

# Bytes of one value in memory; 4-bit values are packed in the file only.
_WIDTHS = {
    "float32": 4, "float16": 2, "int32": 4, "uint8": 1, "int64": 8, "string": 0, "bool": 1,
    "int16": 2, "complex64": 8, "int8": 1, "float64": 8, "complex128": 16, "uint64": 8,
    "resource": 4, "variant": 0, "uint32": 4, "uint16": 2, "int4": 1, "bfloat16": 2, "int2": 1,
    "uint4": 1, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip
# No tensor of an edge model has so many values.
_MOST_VALUES = 2**40
_MOST_DIMENSIONS = 32
# A graph may hold so many numbers, where a tensor or an operator counts as 16. Real graphs hold far
# fewer.
_MOST_ENTRIES, _TABLE = 2**20, 16
# Operators that run graphs: the table of their options, and its fields that say which.
_CALLS = {
    "CALL_ONCE": ("CallOnceOptions", "InitSubgraphIndex"),
    "IF": ("IfOptions", "ThenSubgraphIndex", "ElseSubgraphIndex"),
    "WHILE": ("WhileOptions", "CondSubgraphIndex", "BodySubgraphIndex"),
}


class TensorRecord(NamedTuple):
    """A tensor of a file.

    Args:
        name: Its name, "" if it has none.
        shape: Its shape, the batch included.
        dtype: Name of its dtype, such as "int8".
        data: Bytes of its values as they lie in the file; None for what is computed.
        scales: Number of its quantization scales, 0 if it is not quantized.
        record_bytes: Bytes of its quantization record's numbers in the file.
        variable: Whether it is a state that lasts from one inference to the next.
        unknown: Dimensions that the file leaves open; `shape` has 1 there.
    """

    name: str
    shape: Shape
    dtype: str
    data: Any
    scales: int
    record_bytes: int
    variable: bool
    unknown: tuple[int, ...]

    @property
    def values(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its values in memory."""
        return self.values * _WIDTHS[self.dtype]


class OperatorRecord(NamedTuple):
    """An operator of a file.

    Args:
        kind: TFLite's name of it, such as "CONV_2D", or the name of a custom one.
        inputs: Positions of the tensors that it reads; -1 where an optional one is left out.
        outputs: Positions of the tensors that it writes; -1 likewise.
        graphs: Positions of the subgraphs that it runs.
        transposed: Of a BATCH_MATMUL, whether its two inputs are read transposed.
        resource: Of a VAR_HANDLE, the name of the variable that it refers to.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    graphs: tuple[int, ...] = ()
    transposed: tuple[bool, bool] = (False, False)
    resource: str = ""


class Subgraph(NamedTuple):
    """A graph of a file: its tensors, operators in order of execution, inputs and outputs."""

    tensors: tuple[TensorRecord, ...]
    operators: tuple[OperatorRecord, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(data: bytes) -> list[Subgraph]:
    """Reads the graphs of a `.tflite` file.

    Args:
        data: Bytes of the file.

    Returns:
        List of `Subgraph`, the main one first.

    Raises:
        ValueError: The bytes are not a complete TensorFlow Lite model.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueError(
            f"Argument `data` must be the bytes of a .tflite file. Received: {type(data).__name__}"
        )
    data = bytes(data)
    if data[4:8] != b"TFL3":
        raise ValueError(
            "Argument `data` must be the bytes of a .tflite file, which has the mark 'TFL3' at its "
            f"fifth byte. Received: {len(data)} bytes that start with {data[:8]!r}"
        )
    try:
        return _Reader(data).graphs()
    except Exception as error:  # the generated reader raises whatever the bytes lead it to
        raise ValueError(f"Argument `data` is a damaged .tflite file: {error}") from error


class TFLiteFile:
    """A `.tflite` file, parsed once and handed on to all that ask something of it.

    Args:
        data: Bytes of the file.

    Raises:
        ValueError: The bytes are not a complete TensorFlow Lite model.

    Attributes:
        data: Bytes of the file.
        graphs: List of `Subgraph`, the main one first.
    """

    def __init__(self, data: bytes) -> None:
        self.graphs = read_tflite(data)
        self.data = bytes(data)

    @property
    def root(self) -> Any:
        """The generated reader's table of the file, for what `graphs` does not hold."""
        from ai_edge_litert import schema_py_generated as schema

        return schema.Model.GetRootAs(self.data, 0)


def opened(file: str | os.PathLike[str] | bytes | TFLiteFile) -> TFLiteFile:
    """Parses a file unless that is done.

    Args:
        file: Path of a `.tflite` file, its bytes, or the file parsed.

    Returns:
        The file parsed.

    Raises:
        FileNotFoundError: There is no file at the path.
        ValueError: The bytes are not a complete TensorFlow Lite model.
    """
    return file if isinstance(file, TFLiteFile) else TFLiteFile(content(file))


class _Reader:
    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.data = data
        self.schema = schema
        self.model = schema.Model.GetRootAs(data, 0)
        self.kinds = _names(schema.BuiltinOperator)
        self.dtypes = {code: name.lower() for code, name in _names(schema.TensorType).items()}
        self.buffers: dict[int, Any] = {}
        # Many tables may point to one, which costs the file nothing, but a loop over it much time.
        self.bytes_left, self.entries_left = 2 * len(data), _MOST_ENTRIES

    def spend(self, nbytes: int, entries: int) -> None:
        self.bytes_left -= nbytes
        self.entries_left -= entries
        if self.bytes_left < 0:
            raise ValueError("its parts claim more bytes than it has")
        if self.entries_left < 0:
            raise ValueError("its graphs are larger than any model's")

    def tables(self, length: int, get: Callable[[int], Any]) -> Iterator[Any]:
        """Returns the tables of a vector, whose length is counted before the first is read."""
        self.spend(4 * length, _TABLE * length)
        for index in range(length):
            yield get(index)

    def numbers(self, vector: Any) -> tuple[int, ...]:
        """Returns a vector of numbers as the reader gives it: a view, or 0 if there is none."""
        if isinstance(vector, int):
            return ()
        self.spend(vector.nbytes, vector.size)
        return tuple(vector.tolist())

    def size(self, vector: Any) -> int:
        """Returns the bytes of a vector that need not be looked at."""
        if isinstance(vector, int):
            return 0
        self.spend(vector.nbytes, 0)
        return int(vector.nbytes)

    def text(self, name: bytes | None) -> str:
        self.spend(len(name or b""), 0)
        return (name or b"").decode("utf-8", "replace")

    def graphs(self) -> list[Subgraph]:
        model = self.model
        codes = [
            self.kind(c) for c in self.tables(model.OperatorCodesLength(), model.OperatorCodes)
        ]
        graphs = [
            self.graph(graph, codes, model.SubgraphsLength())
            for graph in self.tables(model.SubgraphsLength(), model.Subgraphs)
        ]
        if not graphs:
            raise ValueError("it has no graph")
        return graphs

    def kind(self, code: Any) -> str:
        # Codes above 126 are stored in the second field only.
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self.kinds.get(builtin)
        if name is None:
            raise ValueError(f"it has an operator of the unknown code {builtin}")
        return self.text(code.CustomCode()) or name if name == "CUSTOM" else name

    def graph(self, graph: Any, codes: list[str], graphs: int) -> Subgraph:
        tensors = tuple(
            self.tensor(tensor) for tensor in self.tables(graph.TensorsLength(), graph.Tensors)
        )
        operators = tuple(
            self.operator(operator, codes, len(tensors), graphs)
            for operator in self.tables(graph.OperatorsLength(), graph.Operators)
        )
        return Subgraph(
            tensors,
            operators,
            self.positions(graph.InputsAsNumpy(), len(tensors), 0, "the graph"),
            self.positions(graph.OutputsAsNumpy(), len(tensors), 0, "the graph"),
        )

    def positions(self, vector: Any, count: int, least: int, of: str) -> tuple[int, ...]:
        found = self.numbers(vector)
        for position in found:
            if not least <= position < count:
                raise ValueError(f"{of} refers to tensor {position} of {count}")
        return found

    def operator(
        self, operator: Any, codes: list[str], tensors: int, graphs: int
    ) -> OperatorRecord:
        code = operator.OpcodeIndex()
        if not code < len(codes):
            raise ValueError(f"an operator has the code {code} of {len(codes)}")
        kind = codes[code]
        called: tuple[int, ...] = ()
        transposed, resource = (False, False), ""
        if kind in _CALLS:
            name, *fields = _CALLS[kind]
            options = self.options(operator, name)
            called = tuple(getattr(options, field)() for field in fields)
        elif kind == "BATCH_MATMUL":
            options = self.options(operator, "BatchMatMulOptions")
            transposed = (options.AdjX(), options.AdjY())
        elif kind == "VAR_HANDLE":
            resource = self.text(self.options(operator, "VarHandleOptions").SharedName())
        for index in called:
            if not 0 <= index < graphs:
                raise ValueError(f"{kind} runs the subgraph {index} of {graphs}")
        return OperatorRecord(
            kind,
            self.positions(operator.InputsAsNumpy(), tensors, -1, kind),
            self.positions(operator.OutputsAsNumpy(), tensors, -1, kind),
            called,
            transposed,
            resource,
        )

    def options(self, operator: Any, name: str) -> Any:
        found = operator.BuiltinOptions()
        given = _names(self.schema.BuiltinOptions).get(operator.BuiltinOptionsType())
        if found is None or given != name:
            raise ValueError(f"an operator has {given} in the place of {name}")
        options = getattr(self.schema, name)()
        options.Init(found.Bytes, found.Pos)
        return options

    def tensor(self, tensor: Any) -> TensorRecord:
        name = self.text(tensor.Name())
        dtype = self.dtypes.get(tensor.Type())
        if dtype not in _WIDTHS:
            raise ValueError(f"tensor {name!r} has the unknown dtype {tensor.Type()}")
        shape = self.numbers(tensor.ShapeAsNumpy())
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"tensor {name!r} has {len(shape)} dimensions")
        if min(shape, default=0) < 0 or math.prod(shape) > _MOST_VALUES:
            raise ValueError(f"tensor {name!r} has the impossible shape {shape}")
        signature = self.numbers(tensor.ShapeSignatureAsNumpy())
        quantization = tensor.Quantization()
        scales = record = 0
        if quantization is not None:
            scales = self.size(quantization.ScaleAsNumpy()) // 4
            zeros = self.size(quantization.ZeroPointAsNumpy())
            ranges = self.size(quantization.MinAsNumpy()) + self.size(quantization.MaxAsNumpy())
            record = 4 * scales + zeros + ranges
            scales = scales if zeros else 0
        return TensorRecord(
            name,
            shape,
            dtype,
            self.buffer(tensor.Buffer()),
            scales,
            record,
            bool(tensor.IsVariable()),
            tuple(i for i, size in enumerate(signature) if size < 0),
        )

    def buffer(self, index: int) -> Any:
        """Returns the bytes of a buffer as a view, or None for an empty buffer."""
        if index not in self.buffers:
            if not index < self.model.BuffersLength():
                raise ValueError(f"a tensor refers to buffer {index}, which it does not have")
            buffer = self.model.Buffers(index)
            data = buffer.DataAsNumpy()
            if buffer.Offset() > 1:
                # Files beyond 2 GB hold their constants behind the flatbuffer.
                data = np.frombuffer(self.data, np.uint8, buffer.Size(), buffer.Offset())
            self.buffers[index] = data if self.size(data) else None
        return self.buffers[index]


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}
