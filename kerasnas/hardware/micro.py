"""The real TensorFlow Lite Micro, run on this host to measure its arena."""

import bisect
import importlib.util
import os
import re
import signal
import struct
import subprocess
import sys
import time
from typing import NamedTuple

from kerasnas.runtime.arguments import check_number
from kerasnas.tflite.reader import OperatorRecord, TFLiteFile, opened

# The interpreter runs in a child process, because a bad file can end its process, and because C++
# prints the report to the descriptor 2.
_CHILD = """
import sys
from tflite_micro import runtime
interpreter = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=int(sys.argv[1]))
interpreter.print_allocations()
"""
# This much memory is reserved, but only what a model needs is ever touched. It is a multiple of the
# alignment, so that no padding at its end is counted.
_ARENA = 2**29
_REPORT = re.compile(r"Arena allocation (head|tail|total) (\d+) bytes")
# The words in which the interpreter names an operator that it lacks or cannot prepare.
_REFUSALS = (
    re.compile(r"from op code (\w+)"),
    re.compile(r"(?:find a parser for|op for builtin opcode) '?(\w+)"),
    re.compile(r"Node (\S+) \(number \w+\) failed"),
)


class Arena(NamedTuple):
    """Bytes of a tensor arena.

    Args:
        head: Bytes of activations and of the kernels' scratch buffers.
        tail: Bytes that the interpreter keeps for operators and tensors.
        total: Bytes of both.
    """

    head: int
    tail: int
    total: int


def measure_arena(
    data: str | os.PathLike[str] | bytes | TFLiteFile, timeout: float = 60.0
) -> Arena:
    """Asks TensorFlow Lite Micro itself how large an arena a file needs.

    Args:
        data: Path of a `.tflite` file, its bytes, or the file parsed.
        timeout: Positive number of seconds after which the interpreter is stopped.

    Returns:
        An `Arena`, in bytes, of the interpreter with reference kernels on a 64-bit host.

    Raises:
        ImportError: tflite-micro is not installed.
        ValueError: The bytes are no complete TensorFlow Lite model, `timeout` is not positive, or
            the interpreter refuses the file. An operator that it lacks or cannot prepare is named.
            So is one that ends its process without a word, found by running it on the first
            operators alone; where that takes longer than `timeout`, all kinds in the file are.

    Example:

    ```python
    data = kn.export.to_tflite(model)
    arena = kn.hardware.measure_arena(data)
    assert arena.head == kn.hardware.profile_tflite(data).arena_head
    ```
    """
    check_number("timeout", timeout, what="a number of seconds", above=0, hint=", such as 60")
    file = opened(data)
    operators = file.graphs[0].operators
    if importlib.util.find_spec("tflite_micro") is None:
        raise ImportError(
            "measure_arena needs TensorFlow Lite Micro: pip install 'kerasnas[micro]', or estimate "
            "the arena with kerasnas.hardware.profile_tflite"
        )
    data, end = file.data, time.monotonic() + timeout
    try:
        status, said = _run(data, timeout)
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"TensorFlow Lite Micro was not done with the file in time. Received: timeout={timeout}"
        ) from None
    found = {name: int(size) for name, size in _REPORT.findall(said)}
    if status == 0 and len(found) == 3:
        return Arena(**found)
    reason = _reason(status, said)
    if status < 0 and not said.strip():
        reason += f"; {_culprit(data, operators, end)}"
    raise ValueError(f"TensorFlow Lite Micro refuses the file: {reason}")


def _run(data: bytes, timeout: float) -> tuple[int, str]:
    """Returns the interpreter's exit status, and what it said."""
    child = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD, str(_ARENA)],
        input=data,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return child.returncode, child.stderr.decode("utf-8", "replace")


def _culprit(data: bytes, operators: tuple[OperatorRecord, ...], end: float) -> str:
    """Returns the operator that ends the interpreter: the last of the fewest first ones that do."""

    def ends(count: int) -> bool:
        status, _ = _run(_first_operators(data, count), max(end - time.monotonic(), 0.0))
        return status < 0

    try:
        dead = bisect.bisect_left(range(len(operators)), True, key=ends)
    except subprocess.TimeoutExpired:
        kinds = ", ".join(sorted({operator.kind for operator in operators}))
        return f"one of these operators is the likely cause: {kinds}"
    if dead == 0:
        return "no operator is the cause"
    culprit = operators[dead - 1]
    return f"it ends at operator {culprit.kind} (number {dead} of {len(operators)})"


def _first_operators(data: bytes, count: int) -> bytes:
    """Returns the file with only the first operators of its main graph."""
    from ai_edge_litert import schema_py_generated as schema

    # The vector of operators is the graph's fourth field; its length stands before its elements.
    table = schema.Model.GetRootAs(data, 0).Subgraphs(0)._tab
    place = table.Vector(table.Offset(10)) - 4
    return data[:place] + struct.pack("<I", count) + data[place + 4 :]


def _reason(status: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The lines of the traceback are Python's, the others the interpreter's.
    own = [line for line in lines if not line.startswith(("Traceback", "File "))]
    operators = [match[1] for pattern in _REFUSALS for match in pattern.finditer(said)]
    reason = own[0] if own else "it said nothing"
    if operators:
        reason = f"operator {operators[0]}: {reason}"
    if status < 0:
        reason = f"{signal.Signals(-status).name}, {reason}"
    return reason
