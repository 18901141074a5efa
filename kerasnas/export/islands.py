"""Operators that the converter leaves in float though runtimes have an int8 kernel of them."""

import struct
from typing import Any

# The converter (TensorFlow 2.21) has no 8 bits for it; LiteRT and TensorFlow Lite Micro look it up
# in a table of 256 values.
_LEFT = ("ELU",)


def close_islands(changed: bytearray) -> None:
    """Has such operators read and write integers, without the conversions around them.

    Args:
        changed: Bytes of a file, changed in place. What is left out stays in it, unused.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(changed, 0)
    graph = model.Subgraphs(0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    operators = [graph.Operators(position) for position in range(graph.OperatorsLength())]
    kinds = [names[model.OperatorCodes(op.OpcodeIndex()).BuiltinCode()] for op in operators]
    reads = [op.InputsAsNumpy() for op in operators]
    writes = [op.OutputsAsNumpy() for op in operators]

    def eight_bits(index: int) -> bool:
        return graph.Tensors(index).Type() == schema.TensorType.INT8

    dropped: set[int] = set()
    for place, kind in enumerate(kinds):
        if kind not in _LEFT or eight_bits(reads[place][0]):
            continue
        before = [i for i, made in enumerate(writes) if made[0] == reads[place][0]]
        after = [i for i, read in enumerate(reads) if writes[place][0] in read]
        closed = (
            [kinds[i] for i in before] == ["DEQUANTIZE"]
            and [kinds[i] for i in after] == ["QUANTIZE"]
            and eight_bits(reads[before[0]][0])
            and eight_bits(writes[after[0]][0])
        )
        if not closed:
            continue
        others = sum(writes[before[0]][0] in read for read in reads) > 1
        dropped |= {after[0]} if others else {before[0], after[0]}
        reads[place][0], writes[place][0] = reads[before[0]][0], writes[after[0]][0]
    if dropped:
        _leave_out(changed, graph, dropped)


def _leave_out(changed: bytearray, graph: Any, dropped: set[int]) -> None:
    """Shortens the list of operators, each entry of which is the distance to its table."""
    start = graph._tab.Vector(graph._tab.Offset(10))
    count = graph.OperatorsLength()
    places = [start + 4 * number for number in range(count)]
    tables = [place + struct.unpack_from("<I", changed, place)[0] for place in places]
    kept = [table for number, table in enumerate(tables) if number not in dropped]
    for place, table in zip(places, kept, strict=False):
        struct.pack_into("<I", changed, place, table - place)
    struct.pack_into("<I", changed, start - 4, len(kept))
