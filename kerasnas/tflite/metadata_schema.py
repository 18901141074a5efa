"""Defines what metadata hold, and writes and reads the flatbuffer TFLITE_METADATA, table by table.

No package for current Pythons ships a generated reader of its schema without much else. The
numbers are positions of fields in metadata_schema.fbs of github.com/tensorflow/tflite-support.
"""

from dataclasses import dataclass
from typing import Any, Literal

import flatbuffers
from flatbuffers.encode import Get
from flatbuffers.number_types import Float32Flags, Int8Flags
from flatbuffers.packer import uoffset
from flatbuffers.table import Table

_IDENTIFIER = b"M001"
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_AXIS_LABELS = 2  # AssociatedFileType
_RGB, _GRAYSCALE = 1, 2  # ColorSpaceType
# Fields of ModelMetadata, in the order in which `Metadata` has them.
_TEXTS = {"name": 0, "description": 1, "version": 2, "author": 4, "license": 5}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output as an application sees it.

    Args:
        name: Its name, in the file's signature too.
        description: What it is.
        kind: `"image"` (of shape (1, height, width, 1 or 3): gray or RGB) or `"feature"`.
        mean: Of an input, for each channel or one for all: what an application must subtract.
        std: Of an input: what it must then divide by.
        labels: Of an output: the names of its classes, in the order of its last axis.
        shape: Its shape in the file, the batch of one included. Filled in when it is read.
    """

    name: str
    description: str = ""
    kind: Literal["feature", "image"] = "feature"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """What a file says about itself.

    Args:
        inputs: Its inputs, in order; () keeps the names that they have in the file.
        outputs: Its outputs, in order; likewise.
        name: Name of the model.
        description: What it does.
        version: Version of the model.
        author: Who made it.
        license: The terms under which it may be used.
    """

    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""


def write_description(metadata: Metadata, labels: dict[int, str]) -> bytes:
    """Writes the flatbuffer.

    Args:
        metadata: What it says.
        labels: Dict from the position of an output to the name of its file of labels.

    Returns:
        Its bytes.
    """
    builder = flatbuffers.Builder(1024)
    inputs = [_tensor(builder, info, None) for info in metadata.inputs]
    outputs = [_tensor(builder, info, labels.get(i)) for i, info in enumerate(metadata.outputs)]
    tables = {2: write_vector(builder, inputs), 3: write_vector(builder, outputs)}
    graph = _table(builder, 7, tables)
    texts = {slot: getattr(metadata, field) for field, slot in _TEXTS.items()}
    fields = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    # 1.0.0 is the first version of the schema, which has everything that is written here.
    fields |= {3: write_vector(builder, [graph]), 7: builder.CreateString("1.0.0")}
    builder.Finish(_table(builder, 8, fields), _IDENTIFIER)
    return bytes(builder.Output())


def read_description(data: bytes, inputs: int, outputs: int) -> tuple[Metadata, list[str | None]]:
    """Reads the flatbuffer.

    Args:
        data: Its bytes.
        inputs: Number of inputs that it must describe.
        outputs: Number of outputs that it must describe.

    Returns:
        `Metadata` without labels and shapes, and for each output the name of its file of labels.

    Raises:
        ValueError: If it is not such a flatbuffer, or describes another number of tensors.
    """
    if data[4:8] != _IDENTIFIER:
        raise ValueError(f"it has the mark {data[4:8]!r} in the place of {_IDENTIFIER!r}")
    root = Table(bytearray(data), Get(uoffset, data, 0))
    graphs = _tables(root, 3, 1)
    ends = []
    for slot, count in ((2, inputs), (3, outputs)):
        tables = _tables(graphs[0], slot, count)
        if len(tables) != count:
            raise ValueError(f"it describes {len(tables)} tensors of {count}")
        ends.append([_read_tensor(table) for table in tables])
    texts = (_text(root, slot) for slot in _TEXTS.values())
    infos = [tuple(info for info, _ in end) for end in ends]
    return Metadata(infos[0], infos[1], *texts), [file for _, file in ends[1]]


def _tensor(builder: Any, info: TensorInfo, labels: str | None) -> int:
    fields = {0: builder.CreateString(info.name)}
    if info.description:
        fields[1] = builder.CreateString(info.description)
    kind, properties = _FEATURE, {}
    if info.kind == "image":
        kind, properties = _IMAGE, {0: _GRAYSCALE if info.shape[-1:] == (1,) else _RGB}
    properties_table = _table(builder, 2, {}, properties)
    fields[3] = _table(builder, 3, {1: properties_table}, {0: kind})
    if info.mean:
        options = {0: _floats(builder, info.mean), 1: _floats(builder, info.std)}
        normalization = _table(builder, 2, options)
        unit = _table(builder, 2, {1: normalization}, {0: _NORMALIZATION})
        fields[4] = write_vector(builder, [unit])
    if labels is not None:
        file = {0: builder.CreateString(labels)}
        fields[6] = write_vector(builder, [_table(builder, 4, file, {2: _AXIS_LABELS})])
    return _table(builder, 7, fields)


def _read_tensor(table: Any) -> tuple[TensorInfo, str | None]:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for unit in _tables(table, 4, 16):
        if _byte(unit, 0) == _NORMALIZATION:
            options = _child(unit, 1)
            if options is None:
                raise ValueError("a process unit has no options")
            mean, std = _read_floats(options, 0), _read_floats(options, 1)
    content = _child(table, 3)
    is_image = content is not None and _byte(content, 0) == _IMAGE
    files = [_text(file, 0) for file in _tables(table, 6, 16) if _byte(file, 2) == _AXIS_LABELS]
    kind: Literal["feature", "image"] = "image" if is_image else "feature"
    info = TensorInfo(_text(table, 0), _text(table, 1), kind, mean, std)
    return info, files[0] if files else None


def _table(
    builder: Any, slots: int, offsets: dict[int, int], numbers: dict[int, int] | None = None
) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (numbers or {}).items():
        builder.PrependInt8Slot(slot, number, 0)
    return int(builder.EndObject())


def write_vector(builder: Any, offsets: list[int]) -> int:
    """Writes a vector of tables that are written already, and returns where it is."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: tuple[float, ...]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _place(table: Any, slot: int) -> int:
    return int(table.Offset(4 + 2 * slot))


def _text(table: Any, slot: int) -> str:
    place = _place(table, slot)
    return table.String(place + table.Pos).decode() if place else ""


def _byte(table: Any, slot: int) -> int:
    return int(table.GetSlot(4 + 2 * slot, 0, Int8Flags))


def _child(table: Any, slot: int) -> Any:
    place = _place(table, slot)
    return Table(table.Bytes, table.Indirect(place + table.Pos)) if place else None


def _tables(table: Any, slot: int, most: int) -> list[Any]:
    """Returns the tables of a vector. A file that claims more of them than `most` is damaged."""
    place = _place(table, slot)
    length = table.VectorLen(place) if place else 0
    if length > most:
        raise ValueError(f"it has {length} entries in the place of at most {most}")
    return [
        Table(table.Bytes, table.Indirect(table.Vector(place) + 4 * index))
        for index in range(length)
    ]


def _read_floats(table: Any, slot: int) -> tuple[float, ...]:
    place = _place(table, slot)
    if not place:
        return ()
    return tuple(float(value) for value in table.GetVectorAsNumpy(Float32Flags, place))
