"""Gives operators that the converter leaves in float the int8 form that runtimes have of them."""

import struct
from typing import Any

# The converter (TensorFlow 2.21) has no 8-bit form of this operator; LiteRT and TensorFlow Lite
# Micro look its values up in a table of 256.
_LEFT = ("ELU",)
# Fields of a subgraph, and of an entry of a signature, in schema.fbs of TensorFlow Lite.
_TENSORS, _OPERATORS, _TENSOR_INDEX = 4, 10, 6


def close_islands(changed: bytearray) -> None:
    """Makes such operators read and write integers, without the conversions around them.

    Args:
        changed: Bytes of a file, changed in place. What is left out stays in it, out of all lists.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(changed, 0)
    graph = model.Subgraphs(0)
    operators, kinds = operators_of(model)
    reads = [op.InputsAsNumpy() for op in operators]
    writes = [op.OutputsAsNumpy() for op in operators]

    def touched(place: int) -> list[int]:
        return [int(index) for index in (*reads[place], *writes[place])]

    def eight_bits(index: int) -> bool:
        return bool(graph.Tensors(index).Type() == schema.TensorType.INT8)

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
        used = {index for n in range(len(operators)) if n not in dropped for index in touched(n)}
        unused = {index for n in dropped for index in touched(n)} - used
        _leave_out(changed, graph, _OPERATORS, dropped)
        _leave_out(changed, graph, _TENSORS, unused)
        _renumber(model, unused)


def operators_of(model: Any) -> tuple[list[Any], list[str]]:
    """Returns the operators of a file's main graph, and TFLite's names of their kinds."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    graph = model.Subgraphs(0)
    operators = [graph.Operators(position) for position in range(graph.OperatorsLength())]
    codes = [model.OperatorCodes(one.OpcodeIndex()).BuiltinCode() for one in operators]
    return operators, [names[code] for code in codes]


def _leave_out(changed: bytearray, graph: Any, field: int, dropped: set[int]) -> None:
    """Removes entries from a list, each of which is the distance to its table."""
    start = graph._tab.Vector(graph._tab.Offset(field))
    count = struct.unpack_from("<I", changed, start - 4)[0]
    places = [start + 4 * number for number in range(count)]
    tables = [place + struct.unpack_from("<I", changed, place)[0] for place in places]
    kept = [table for number, table in enumerate(tables) if number not in dropped]
    for place, table in zip(places, kept, strict=False):
        struct.pack_into("<I", changed, place, table - place)
    struct.pack_into("<I", changed, start - 4, len(kept))


def _renumber(model: Any, dropped: set[int]) -> None:
    """Renumbers the tensors in everything that refers to them."""
    graph = model.Subgraphs(0)

    def moved(index: int) -> int:
        return index - sum(other < index for other in dropped)

    lists = [graph.InputsAsNumpy(), graph.OutputsAsNumpy()]
    for operator in operators_of(model)[0]:
        lists += [operator.InputsAsNumpy(), operator.OutputsAsNumpy()]
    for indices in lists:
        indices[:] = [moved(int(index)) for index in indices]
    signature = model.SignatureDefs(0)
    ends = [signature.Inputs(i) for i in range(signature.InputsLength())]
    ends += [signature.Outputs(i) for i in range(signature.OutputsLength())]
    for end in ends:
        place = end._tab.Offset(_TENSOR_INDEX)
        if place:  # A flatbuffer leaves out a field that is 0.
            index = moved(end.TensorIndex())
            struct.pack_into("<I", end._tab.Bytes, end._tab.Pos + place, index)
