"""The tensor arena: where TensorFlow Lite Micro would put every tensor, and what it keeps beside.

Its head holds the activations and the kernels' scratch buffers, placed by a planner; its tail what
the interpreter and the kernels allocate once.
"""

import bisect
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kerasnas.hardware import kernels
from kerasnas.hardware.kernels import KernelCall, Operand
from kerasnas.hardware.lowering import Program

_ALIGNMENT = 16


class Lifetime(NamedTuple):
    """A buffer: its bytes, and the first and last operator during which it must be kept."""

    size: int
    first: int
    last: int


def lifetimes(program: Program) -> list[Lifetime]:
    """Returns how long each activation of a network lives, and then each scratch buffer.

    Inputs live from before the first operator, outputs to the end.
    """
    first = dict.fromkeys(program.inputs, -1)
    last = dict.fromkeys(program.inputs, -1)
    for step, operator in enumerate(program.operators):
        for read in operator.reads:
            last[read] = step
        for written in operator.outputs:
            first[written] = last[written] = step
    for output in program.outputs:
        last[output] = len(program.operators) - 1
    activations = [
        Lifetime(program.activation_bytes(i), first[i], last[i])
        for i in range(len(program.activations))
    ]
    return activations + [
        Lifetime(size, step, step)
        for step, call in enumerate(_calls(program))
        for size in kernels.scratch(call)
    ]


def plan(buffers: Sequence[Lifetime]) -> list[int]:
    """Places buffers greedily, the largest first, each at the lowest offset that is free.

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
    # The buffers that have a place, sorted by it: offset, end, first and last operator.
    placed: list[tuple[int, int, int, int]] = []
    for i in sorted(range(len(buffers)), key=lambda i: (-_aligned(buffers[i].size), -i)):
        size, (_, first, last) = _aligned(buffers[i].size), buffers[i]
        at = 0
        for offset, end, other_first, other_last in placed:
            if other_last < first or last < other_first:
                continue
            if offset - at >= size:
                break
            at = max(at, end)
        offsets[i] = at
        bisect.insort(placed, (at, at + size, first, last), key=lambda buffer: buffer[0])
    return offsets


def peak(buffers: Sequence[Lifetime], offsets: Sequence[int]) -> int:
    """Returns the bytes from the start of the arena to the end of the highest buffer."""
    ends = (at + _aligned(b.size) for at, b in zip(offsets, buffers, strict=True))
    return max(ends, default=0)


class MemoryPlan(NamedTuple):
    """Where the planner puts the activations and scratch buffers of a network.

    Args:
        buffers: The activations in the program's order, then the scratch buffers.
        offsets: Offset of each in bytes.
    """

    buffers: list[Lifetime]
    offsets: list[int]

    @property
    def head(self) -> int:
        """Bytes of the arena that hold them all."""
        return peak(self.buffers, self.offsets)


def memory_plan(program: Program) -> MemoryPlan:
    """Places the activations and scratch buffers of a network."""
    buffers = lifetimes(program)
    return MemoryPlan(buffers, plan(buffers))


def head_bytes(program: Program) -> int:
    """Returns the bytes of the arena that hold activations and scratch buffers."""
    return memory_plan(program).head


# Bytes of the interpreter itself (allocator, planner, list of scratch buffers), and of the records
# of a subgraph, a tensor and an operator.
_INTERPRETER, _SUBGRAPH, _TENSOR, _NODE = 464, 24, 24, 64
# Bytes of the list of variables, and of each variable in it.
_RESOURCES, _RESOURCE = 16, 40
# Bytes of the record of an input or an output, and of its quantization.
_PORT, _QUANTIZATION = 64, 24


def persistent_bytes(
    graphs: Sequence[tuple[int, Sequence[KernelCall]]],
    inputs: Sequence[int],
    outputs: Sequence[int],
    variables: Iterable[int] = (),
    resources: Sequence[int] = (),
) -> int:
    """Returns the bytes that the interpreter keeps, by following its allocations one by one.

    Args:
        graphs: For each subgraph the number of its tensors and its operators.
        inputs: Number of quantization scales of each input of the network, 0 for none.
        outputs: The same of each output.
        variables: Bytes of each variable tensor.
        resources: Bytes of each resource variable (VAR_HANDLE).

    Returns:
        The tail of the arena on a 64-bit host, with the allocator that keeps records; a 32-bit
        device needs about half of it, apart from the channels' multipliers and shifts.

    Source: tflite-micro, `micro_allocator.cc`, `micro_interpreter.cc` and
    `micro_resource_variable.cc`.
    """
    used = _INTERPRETER

    def take(size: int, alignment: int = _ALIGNMENT) -> None:
        # Memory is taken from the end of the arena downwards.
        nonlocal used
        used = -(-(used + size) // alignment) * alignment

    if resources:
        take(_RESOURCES)
        take(_RESOURCE * len(resources))
    calls = [call for _, operators in graphs for call in operators]
    take(_SUBGRAPH * len(graphs), 8)
    for tensors, _ in graphs:
        take(_TENSOR * tensors, 8)
    for _, operators in graphs:
        take(_NODE * len(operators), 8)
    for call in calls:
        take(*kernels.OPTIONS.get(call.kind, (0, 1)))
    for call in calls:
        if call.kind in kernels.STATE:
            take(kernels.STATE[call.kind])
    for call in calls:
        for size in kernels.prepared(call):
            take(size)
    for size in resources:
        take(size)
    handles = sum(len(kernels.scratch(call)) for call in calls)
    if handles:
        take(8 * handles, 8)
    for size in variables:
        take(size)
    for ports in (inputs, outputs):
        take(8 * len(ports))
        for scales in ports:
            take(_PORT, 8)
            if scales:
                take(_QUANTIZATION, 8)
                take(4 + 4 * scales, 4)
    return used


def tail_bytes(program: Program) -> int:
    """Returns the tail of the arena of a network; see `persistent_bytes`."""
    tensors = len(program.activations) + len(program.constants())
    tensors += len(program.states) + program.intermediates
    return persistent_bytes(
        [(tensors, _calls(program))],
        inputs=[int(program.has_scale(index)) for index in program.inputs],
        outputs=[int(program.has_scale(index)) for index in program.outputs],
        variables=program.states,
    )


def _calls(program: Program) -> list[KernelCall]:
    quantized = program.dtype == "int8"
    constant = "int8" if quantized else "float32"
    activations = []
    for index, shape in enumerate(program.activations):
        scaled = program.has_scale(index)
        activations.append(Operand((1, *shape), "int8" if scaled else "float32", int(scaled)))
    calls = []
    for operator in program.operators:
        inputs = [activations[index] for index in operator.reads]
        inputs += [Operand(c.shape, constant, quantized * c.scales) for c in operator.constants]
        outputs = [activations[index] for index in operator.outputs]
        calls.append(KernelCall(operator.kind, inputs, outputs, operator.transposed))
    return calls


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
