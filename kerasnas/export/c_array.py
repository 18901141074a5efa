"""A `.tflite` file as C++ source for a microcontroller."""

import os
import re
import urllib.parse

import numpy as np

from kerasnas.export.micro import has_micro, resolver_method, run_on_micro, without_kernel
from kerasnas.hardware import measure_arena, profile_tflite
from kerasnas.tflite.inspection import EndTensor, ends
from kerasnas.tflite.reader import TFLiteFile, opened

_STATEFUL = ("UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF")
_BYTES_A_LINE = 16
_LONGEST = 60.0  # Seconds for one inference on this host.
_NOT_RUN = (
    "// This file was not run: that needs TensorFlow Lite Micro on the host that writes it",
    "// (pip install 'kerasnas[micro]'), and inputs of one sample. That there are kernels of its",
    "// operators was checked, and not that they take these types and shapes.",
    "",
)


def c_array(data: str | os.PathLike[str] | bytes, name: str = "model") -> dict[str, str]:
    """Writes a file as a C++ header and source, with what TensorFlow Lite Micro must be told.

    The header holds the size of the tensor arena, shape and quantization of each input and output,
    the number of variables that it keeps, and a function that registers its operators.

    Names of inputs and outputs stand in comments, in which all but letters, digits, spaces and
    `./:;_-~` has the form that it has in addresses of the web: `%C3%BC` for ü.

    The file is run once by TensorFlow Lite Micro on this host, and the arena is measured. Where it
    is not installed (extra `micro`) the arena is predicted, and where the file was not run, the
    header says so. A 32-bit controller needs less for the interpreter's own records; optimized
    kernels such as CMSIS-NN may need more, for buffers that the reference kernels lack.

    Args:
        data: Path of a `.tflite` file, or its bytes.
        name: Identifier: of the files, of the C++ namespace, and after `g_` of the array.

    Returns:
        Dict from the file names `<name>.h` and `<name>.cc` to their text.

    Raises:
        ValueError: If `name` is no C identifier, `data` is no complete TensorFlow Lite model, or
            TensorFlow Lite Micro lacks an operator of it or cannot run it: operator and layer are
            named.

    Example:

    ```python
    for name, text in kn.export.c_array(small.tflite).items():
        pathlib.Path(name).write_text(text)
    ```
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII):
        raise ValueError(f"`name` must be a C identifier, such as 'model'. Received: {name!r}")
    file = opened(data)
    found = [op for graph in file.graphs for op in graph.operators]
    kinds = list(dict.fromkeys(op.kind for op in found))
    resources = {op.resource for op in found if op.kind == "VAR_HANDLE"}
    unknown = without_kernel(file)
    if unknown:
        raise ValueError(f"TensorFlow Lite Micro lacks operators of the file: {', '.join(unknown)}")
    runs = has_micro() and all(tensor.shape[:1] == (1,) for tensor in ends(file, "input"))
    if runs:
        run_on_micro(file, _typical(file), _LONGEST)
    arena, how = _arena(file)
    lines = [
        "#pragma once",
        "",
        *([] if runs else _NOT_RUN),
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
        tensors = ends(file, "input" if end == "Input" else "output")
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
        *(f"  resolver.{resolver_method(kind)}();" for kind in kinds),
        "}",
        "",
        f"}}  // namespace {name}",
        "",
    ]
    return {f"{name}.h": "\n".join(lines), f"{name}.cc": _source(file.data, name)}


def _typical(file: TFLiteFile) -> list[np.ndarray]:
    """Returns random inputs; for indices zeros, which are in every table."""
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal(tensor.shape)
        if tensor.scale or tensor.dtype.startswith("float")
        else np.zeros(tensor.shape)
        for tensor in ends(file, "input")
    ]


def _arena(file: TFLiteFile) -> tuple[int, str]:
    if has_micro():
        size, how = measure_arena(file).total, "measured"
    else:
        profile = profile_tflite(file)
        size, how = int(profile.arena_head + profile.arena_tail), "predicted"
    return -(-size // 16) * 16, how


def _constants(prefix: str, tensor: EndTensor) -> list[str]:
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
