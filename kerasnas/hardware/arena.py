"""Peak activation memory: where TensorFlow Lite Micro would put every tensor."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from kerasnas.hardware.lowering import Program

_ALIGNMENT = 16


class Lifetime(NamedTuple):
    """A buffer: its bytes, and the first and last operator during which it must be kept."""

    size: int
    first: int
    last: int


def lifetimes(program: Program, bytes_per_value: int) -> list[Lifetime]:
    """How long each activation lives; inputs from the start, outputs to the end."""
    first = dict.fromkeys(program.inputs, 0)
    last = dict.fromkeys(program.inputs, 0)
    for step, operator in enumerate(program.operators):
        for read in operator.reads:
            last[read] = step
        first[operator.writes] = last[operator.writes] = step
    end = max(len(program.operators) - 1, 0)
    for output in program.outputs:
        last[output] = end
    return [
        Lifetime(bytes_per_value * math.prod(shape), first[i], last[i])
        for i, shape in enumerate(program.activations)
    ]


def plan(buffers: Sequence[Lifetime]) -> list[int]:
    """Place buffers greedily, the largest first, each at the lowest offset that is free.

    Args:
        buffers: Sizes and lifetimes.

    Returns:
        Offset of each buffer in bytes.

    Source: TensorFlow Lite Micro, `memory_planner/greedy_memory_planner.cc`: 16-byte alignment,
    equal sizes by descending index.

    Example:

    >>> from kerasnas.hardware.arena import Lifetime, plan
    >>> plan([Lifetime(100, 0, 1), Lifetime(64, 1, 2), Lifetime(32, 2, 3)])
    [0, 112, 0]
    """
    offsets = [0] * len(buffers)
    sizes = [math.ceil(b.size / _ALIGNMENT) * _ALIGNMENT for b in buffers]
    placed: list[int] = []
    for i in sorted(range(len(buffers)), key=lambda i: (-sizes[i], -i)):
        at = 0
        for j in sorted(placed, key=lambda j: offsets[j]):
            if buffers[j].last < buffers[i].first or buffers[i].last < buffers[j].first:
                continue
            if offsets[j] - at >= sizes[i]:
                break
            at = max(at, offsets[j] + sizes[j])
        offsets[i] = at
        placed.append(i)
    return offsets


def head_bytes(program: Program, bytes_per_value: int) -> int:
    """Bytes of the arena that hold activations."""
    buffers = lifetimes(program, bytes_per_value)
    return max(
        (
            offset + math.ceil(b.size / _ALIGNMENT) * _ALIGNMENT
            for offset, b in zip(plan(buffers), buffers, strict=True)
        ),
        default=0,
    )


# Once, an operator, a tensor, and a channel with its own scale: fitted to what the interpreter
# reports for 20 random networks of both spaces (worst error 3 %).
_TAIL = (752, 99.2, 47.2, 8.08)


def tail_bytes(program: Program) -> int:
    """Bytes that the interpreter keeps for operators, tensors and per-channel scales.

    Source: `print_allocations` of tflite-micro 0.dev20261023 on a 64-bit host; a 32-bit device
    needs less.
    """
    constants = [constant for operator in program.operators for constant in operator.constants]
    channels = sum(constant.scales for constant in constants if constant.role == "bias")
    counts = (
        1,
        len(program.operators),
        len(program.activations) + len(constants),
        channels,
    )
    return round(sum(n * cost for n, cost in zip(counts, _TAIL, strict=True)))
