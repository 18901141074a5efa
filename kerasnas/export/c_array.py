"""A `.tflite` file as C++ source for a microcontroller."""

import importlib.util
import re
import urllib.parse

from kerasnas.export.model_file import Tensor, ends
from kerasnas.hardware import measure_arena, profile_tflite
from kerasnas.hardware.flatbuffer import read_tflite

# Methods of TensorFlow Lite Micro's MicroMutableOpResolver, without their "Add", for operators
# that a converted Keras model may hold.
_METHODS = """
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs
BroadcastTo CallOnce Cast Ceil CircularBuffer Concatenation Conv2D Cos CumSum DepthToSpace
DepthwiseConv2D Dequantize Div DynamicUpdateSlice EmbeddingLookup Elu Equal Exp ExpandDims Fill
Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If
L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic
LogSoftmax Maximum MaxPool2D MirrorPad Mean Minimum Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize
ReadVariable ReduceAll ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor
ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV
Squeeze Sqrt Square SquaredDifference StridedSlice Sub Sum Svdf Tanh TransposeConv Transpose Unpack
UnidirectionalSequenceLSTM VarHandle While ZerosLike
"""
_METHOD_OF = {method.lower(): f"Add{method}" for method in _METHODS.split()}
_METHOD_OF["tflmdecode"] = "AddDecode"
_STATEFUL = ("UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF")
_BYTES_A_LINE = 16


def c_array(data: bytes, name: str = "model") -> dict[str, str]:
    """Writes a file as a C++ header and source, with what TensorFlow Lite Micro must be told.

    The header holds the size of the tensor arena, shape and quantization of each input and output,
    the number of variables that it keeps, and a function that registers its operators.

    Names of inputs and outputs stand in comments, in which all but letters, digits, spaces and
    `./:;_-~` has the form that it has in addresses of the web: `%C3%BC` for ü.

    The arena is measured with TensorFlow Lite Micro on this host, or predicted if it is not
    installed (extra `micro`). A 32-bit controller needs less for the interpreter's own records;
    optimized kernels such as CMSIS-NN may need more, for buffers that the reference kernels lack.

    Args:
        data: Bytes of a `.tflite` file.
        name: Identifier: of the files, of the C++ namespace, and after `g_` of the array.

    Returns:
        Dict from the file names `<name>.h` and `<name>.cc` to their text.

    Raises:
        ValueError: If `name` is no C identifier, `data` is no complete TensorFlow Lite model, or
            TensorFlow Lite Micro lacks an operator of it, which is named.

    Example:

    ```python
    for name, text in kn.export.c_array(small.tflite).items():
        pathlib.Path(name).write_text(text)
    ```
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII):
        raise ValueError(f"`name` must be a C identifier, such as 'model'. Received: {name!r}")
    found = [op for graph in read_tflite(data) for op in graph.operators]
    kinds = list(dict.fromkeys(op.kind for op in found))
    resources = {op.resource for op in found if op.kind == "VAR_HANDLE"}
    unknown = [kind for kind in kinds if kind.replace("_", "").lower() not in _METHOD_OF]
    if unknown:
        raise ValueError(f"TensorFlow Lite Micro lacks operators of the file: {', '.join(unknown)}")
    arena, how = _arena(data)
    lines = [
        "#pragma once",
        "",
        f"namespace {name} {{",
        "",
        "// The .tflite file.",
        f"extern const unsigned char g_{name}[];",
        f"extern const unsigned int g_{name}_length;",
        "",
        f"// Bytes, {how} with reference kernels on a 64-bit host. A 32-bit controller needs",
        "// less; optimized kernels may ask for scratch buffers on top.",
        f"constexpr int kTensorArenaSize = {arena};",
        "",
        "// real value = scale * (stored value - zero point)",
    ]
    for end in ("Input", "Output"):
        tensors = ends(data, "input" if end == "Input" else "output")
        lines.append(f"constexpr int k{end}Count = {len(tensors)};")
        for position, tensor in enumerate(tensors):
            lines += _constants(f"k{end}{position}", tensor)
    if any(kind in _STATEFUL for kind in kinds):
        lines += [
            "",
            "// The model remembers: call the interpreter's Reset() before each new sequence.",
        ]
    if resources:
        lines += [
            "",
            "// The model keeps variables: give the interpreter a",
            "// tflite::MicroResourceVariables::Create(allocator, kResourceVariableCount). Reset()",
            "// makes them zero; for their first values, make a new interpreter.",
            f"constexpr int kResourceVariableCount = {len(resources)};",
        ]
    lines += [
        "",
        "// Call with a tflite::MicroMutableOpResolver<kOperatorCount>.",
        f"constexpr int kOperatorCount = {len(kinds)};",
        "template <typename Resolver>",
        "void RegisterOperators(Resolver& resolver) {",
        *(f"  resolver.{_METHOD_OF[kind.replace('_', '').lower()]}();" for kind in kinds),
        "}",
        "",
        f"}}  // namespace {name}",
        "",
    ]
    return {f"{name}.h": "\n".join(lines), f"{name}.cc": _source(data, name)}


def _arena(data: bytes) -> tuple[int, str]:
    if importlib.util.find_spec("tflite_micro") is not None:
        size, how = measure_arena(data).total, "measured"
    else:
        profile = profile_tflite(data)
        size, how = int(profile.arena_head + profile.arena_tail), "predicted"
    return -(-size // 16) * 16, how


def _constants(prefix: str, tensor: Tensor) -> list[str]:
    shape = ", ".join(str(size) for size in tensor.shape)
    # A name may hold anything, even the end of the line and code behind it.
    name = urllib.parse.quote(tensor.name, safe=" ./:;", errors="replace")
    lines = [f"constexpr int {prefix}Shape[] = {{{shape}}};  // {name}, {tensor.dtype}"]
    if tensor.scale:
        lines += [
            f"constexpr float {prefix}Scale = {tensor.scale:.8e}f;",
            f"constexpr int {prefix}ZeroPoint = {tensor.zero_point};",
        ]
    return lines


def _source(data: bytes, name: str) -> str:
    rows = [
        "    " + " ".join(f"0x{byte:02x}," for byte in data[start : start + _BYTES_A_LINE])
        for start in range(0, len(data), _BYTES_A_LINE)
    ]
    return "\n".join(
        [
            f'#include "{name}.h"',
            "",
            f"namespace {name} {{",
            "",
            "// TensorFlow Lite Micro reads weights in place, at multiples of 16 bytes.",
            f"alignas(16) const unsigned char g_{name}[] = {{",
            *rows,
            "};",
            f"const unsigned int g_{name}_length = {len(data)};",
            "",
            f"}}  // namespace {name}",
            "",
        ]
    )
