"""The real TensorFlow Lite Micro, run on this host to measure its arena."""

import importlib.util
import re
import signal
import subprocess
import sys
from typing import NamedTuple

from kerasnas.hardware.flatbuffer import read_tflite

# A child process, because a file that the interpreter does not like can end its process, and what
# it reports is printed to the descriptor 2 by C++.
_CHILD = """
import sys
from tflite_micro import runtime
interpreter = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=int(sys.argv[1]))
interpreter.print_allocations()
"""
# Reserved, and not touched beyond what a model needs. A multiple of the alignment, so that no
# padding at its end is counted.
_ARENA = 2**29
_REPORT = re.compile(r"Arena allocation (head|tail|total) (\d+) bytes")
# How the interpreter names what it lacks, and the operator that would not be prepared.
_REFUSALS = (
    re.compile(r"from op code (\w+)"),
    re.compile(r"(?:find a parser for|op for builtin opcode) '?(\w+)"),
    re.compile(r"Node (\S+) \(number \w+\) failed"),
)


class Arena(NamedTuple):
    """Bytes of a tensor arena.

    Args:
        head: Activations and the kernels' scratch buffers.
        tail: What the interpreter keeps for operators and tensors.
        total: Both.
    """

    head: int
    tail: int
    total: int


def measure_arena(data: bytes, timeout: float = 60.0) -> Arena:
    """Asks TensorFlow Lite Micro itself how large an arena a file needs.

    Args:
        data: Bytes of a `.tflite` file.
        timeout: Seconds after which the interpreter is stopped.

    Returns:
        An `Arena`, in bytes, of the interpreter with reference kernels on a 64-bit host.

    Raises:
        ImportError: tflite-micro is not installed.
        ValueError: The bytes are no complete TensorFlow Lite model, or the interpreter refuses it:
            an operator that it lacks is named.

    Example:

    ```python
    data = kn.export.to_tflite(model)
    arena = kn.hardware.measure_arena(data)
    assert arena.head == kn.hardware.profile_tflite(data).arena_head
    ```
    """
    read_tflite(data)
    if importlib.util.find_spec("tflite_micro") is None:
        raise ImportError(
            "measure_arena needs TensorFlow Lite Micro: pip install 'kerasnas[micro]', or estimate "
            "the arena with kerasnas.hardware.profile_tflite"
        )
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD, str(_ARENA)],
            input=bytes(data),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"TensorFlow Lite Micro was not done with the file in time. Received: timeout={timeout}"
        ) from None
    said = child.stderr.decode("utf-8", "replace")
    found = {name: int(size) for name, size in _REPORT.findall(said)}
    if child.returncode == 0 and len(found) == 3:
        return Arena(**found)
    raise ValueError(f"TensorFlow Lite Micro refuses the file: {_reason(child.returncode, said)}")


def _reason(status: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # What follows the traceback's start is Python's own.
    own = [line for line in lines if not line.startswith(("Traceback", "File "))]
    operators = [match[1] for pattern in _REFUSALS for match in pattern.finditer(said)]
    reason = own[0] if own else "it said nothing"
    if operators:
        reason = f"operator {operators[0]}: {reason}"
    if status < 0:
        reason = f"{signal.Signals(-status).name}, {reason}"
    return reason
