"""The order of execution that needs the least memory."""

import dataclasses
import heapq
import itertools
from collections.abc import Sequence

from kerasnas.hardware.arena import head_bytes
from kerasnas.hardware.lowering import Program

# Sets of tensors looked at before the search is given up: about a second.
_MOST_STATES = 20_000


def reordered_head(program: Program, own: int) -> int | None:
    """Returns the bytes of the arena's head if the operators ran in the best order.

    The converter's order is one of many; a tool that reorders the file, or a runtime that runs it
    in another order, can keep less alive at once. Tensors are placed by the same planner.

    Args:
        program: A lowered network.
        own: The head of the program's own order.

    Returns:
        The head in bytes, at most that of the program's own order; None where there are too many
        orders to look through.

    Source: Liberis and Lane 2019, arXiv:1910.05110, algorithm 1, as a best-first search.

    Example:

    >>> from kerasnas.hardware import Sketch
    >>> from kerasnas.hardware.arena import head_bytes
    >>> from kerasnas.hardware.lowering import lower
    >>> x = Sketch.input((8, 8, 1)).conv2d(4, 3, name="conv")
    >>> x.graph.outputs = (x.index,)
    >>> program = lower(x.graph)
    >>> reordered_head(program, head_bytes(program))
    320
    """
    order = _best_order(program)
    if order is None:
        return None
    if order == list(range(len(order))):
        return own
    operators = [program.operators[i] for i in order]
    return min(own, head_bytes(dataclasses.replace(program, operators=operators)))


def _best_order(program: Program) -> list[int] | None:
    """Returns the order that needs the least memory at its peak, searched from its end backwards.

    A state is the set of tensors, one bit each, that what runs later reads. The tensors that are
    alive while an operator runs are those of the state after it and those that it reads.
    """
    sizes = [program.activation_bytes(i) for i in range(len(program.activations))]
    maker = {x: i for i, operator in enumerate(program.operators) for x in operator.outputs}
    reads = {x: _bits(program.operators[i].reads) for x, i in maker.items()}
    writes = {x: _bits(program.operators[i].outputs) for x, i in maker.items()}
    upstream = [0] * len(sizes)
    for operator in program.operators:
        for x in operator.reads:
            for written in operator.outputs:
                upstream[written] |= upstream[x] | 1 << x
    start = _bits(program.outputs)
    # Among states of equal peaks, the one nearest to the beginning of the network is looked
    # at first.
    count = itertools.count()
    queue = [(0, 0, next(count), start, (start, -1))]
    # For each state that is done: the state after it, and the operator between the two.
    after: dict[int, tuple[int, int]] = {}
    while queue and len(after) < _MOST_STATES:
        peak, depth, _, state, link = heapq.heappop(queue)
        if state in after:
            continue
        after[state] = link
        tensors = _members(state)
        made = [x for x in tensors if x in maker]
        if not made:
            return _path(after, start, state)
        needed = 0
        for x in tensors:
            needed |= upstream[x]
        for x in made:
            if needed & writes[x]:
                continue  # Something that runs later still leads back to it.
            before = state & ~writes[x] | reads[x]
            alive = sum(sizes[y] for y in _members(state | reads[x] | writes[x]))
            if before not in after:
                link = (state, maker[x])
                heapq.heappush(queue, (max(peak, alive), depth - 1, next(count), before, link))
    return None


def _path(after: dict[int, tuple[int, int]], start: int, state: int) -> list[int]:
    order = []
    while state != start:
        state, operator = after[state]
        order.append(operator)
    return order


def _bits(tensors: Sequence[int]) -> int:
    return sum(1 << x for x in {*tensors})


def _members(state: int) -> list[int]:
    found = []
    while state:
        low = state & -state
        found.append(low.bit_length() - 1)
        state ^= low
    return found
