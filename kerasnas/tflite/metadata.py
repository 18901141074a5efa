"""Writes and reads what a `.tflite` file says about itself: names, normalization and labels.

In the format that Android Studio, ML Kit and the TensorFlow Lite Task Library read: a flatbuffer
named TFLITE_METADATA inside the file, and files of labels in a ZIP archive behind it.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasnas.tflite.inspection import EndTensor, ends
from kerasnas.tflite.metadata_schema import (
    Metadata,
    TensorInfo,
    read_description,
    write_description,
    write_vector,
)
from kerasnas.tflite.reader import TFLiteFile, opened
from kerasnas.tflite.tensor_names import AligningBuilder

_ENTRY = "TFLITE_METADATA"
_MOST_LABELS = 2**24  # How many bytes a file of labels may have.


def add_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Writes metadata into a file.

    The graph and its weights stay byte for byte as they are: the new parts go in front of them, and
    the labels behind. The file grows by some hundred bytes, so for a microcontroller leave it out.

    ML Kit and the Task Library take inputs of float32 and uint8 only: convert with
    `to_tflite(..., inputs="float32")` for them. Of an image they normalize values from 0 to 255, so
    `mean` and `std` are on that scale.

    Args:
        data: Bytes of a `.tflite` file without metadata.
        metadata: What to write.

    Returns:
        Bytes of the file.

    Raises:
        ValueError: If `data` is no complete TensorFlow Lite model or has metadata already, or
            `metadata` does not fit it.

    Source:
        metadata_schema.fbs of github.com/tensorflow/tflite-support, version 1.1.0.

    Example:

    ```python
    data = kn.export.to_tflite(model, "int8", x, inputs="float32")
    data = kn.export.add_metadata(
        data,
        kn.export.Metadata(
            inputs=(kn.export.TensorInfo("image", kind="image", mean=(127.5,), std=(127.5,)),),
            outputs=(kn.export.TensorInfo("probability", labels=("cat", "dog")),),
        ),
    )
    ```
    """
    file = opened(data)
    given = {
        "input": _checked("input", metadata.inputs, ends(file, "input")),
        "output": _checked("output", metadata.outputs, ends(file, "output")),
    }
    one = len(metadata.outputs) == 1
    names = {
        position: "labels.txt" if one else f"labels_{position}.txt"
        for position, info in enumerate(given["output"])
        if info.labels
    }
    described = write_description(
        replace(metadata, inputs=given["input"], outputs=given["output"]), names
    )
    if _entry(file) is not None:
        raise ValueError("`data` has metadata already; add it to the file that was converted")
    try:
        out = io.BytesIO(_with_entry(data, described, given))
    except Exception as error:  # the generated reader raises whatever the bytes lead it to
        raise ValueError(f"`data` is a damaged .tflite file: {error}") from error
    if names:
        with zipfile.ZipFile(out, "a") as archive:
            for position, name in names.items():
                # A ZipInfo has a fixed date, so that the same file is written every day.
                labels = "\n".join(given["output"][position].labels)
                archive.writestr(zipfile.ZipInfo(name), labels)
    return out.getvalue()


def read_metadata(data: bytes) -> Metadata | None:
    """Reads the metadata of a file.

    Args:
        data: Bytes of a `.tflite` file.

    Returns:
        `Metadata`, or None if it has none.

    Raises:
        ValueError: If `data` is no complete TensorFlow Lite model, or its metadata is damaged.

    Example:

    ```python
    classes = kn.export.TensorInfo("probability", labels=("cat", "dog"))
    data = kn.export.add_metadata(data, kn.export.Metadata(outputs=(classes,)))
    kn.export.read_metadata(data).outputs[0].labels   # ("cat", "dog")
    ```
    """
    file = opened(data)
    tensors = ends(file, "input"), ends(file, "output")
    described = _entry(file)
    if described is None:
        return None
    try:
        found, files = read_description(described, len(tensors[0]), len(tensors[1]))
        outputs = tuple(
            replace(info, labels=_labels(data, name) if name else ())
            for info, name in zip(found.outputs, files, strict=True)
        )
        inputs = _with_shapes(found.inputs, tensors[0])
        return replace(found, inputs=inputs, outputs=_with_shapes(outputs, tensors[1]))
    except Exception as error:  # bytes from anywhere lead the readers to raise anything
        raise ValueError(f"`data` has damaged metadata: {error}") from error


def _labels(data: bytes, name: str) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.getinfo(name).file_size > _MOST_LABELS:
            raise ValueError(f"its file {name} is too large for labels")
        return tuple(archive.read(name).decode().splitlines())


def _checked(
    end: str, infos: Sequence[TensorInfo], tensors: list[EndTensor]
) -> tuple[TensorInfo, ...]:
    where = f"`metadata.{end}s`"
    infos = infos or [TensorInfo(tensor.name) for tensor in tensors]
    if len(infos) != len(tensors):
        raise ValueError(f"{where} must have {len(tensors)} entries. Received: {len(infos)}")
    if len({info.name for info in infos} - {""}) != len(infos):
        raise ValueError(
            f"{where} must have a name each, all different. "
            f"Received: {[info.name for info in infos]}"
        )
    for info, tensor in zip(infos, tensors, strict=True):
        if not info.name.isprintable():
            raise ValueError(
                f"{where}: a name is one line of text, of which applications may make code. "
                f"Received: {info.name!r}"
            )
        which = f"{where} '{info.name}'"
        channels = tensor.shape[-1]
        if info.shape not in ((), tensor.shape):
            raise ValueError(f"{which} has shape {tensor.shape}. Received: {info.shape}")
        if info.kind not in ("feature", "image"):
            raise ValueError(f"{which} must be of kind 'feature' or 'image'. Received: {info.kind}")
        if info.kind == "image" and not (len(tensor.shape) == 4 and channels in (1, 3)):
            raise ValueError(
                f"{which} must have shape (1, height, width, 1 or 3) to be an image. "
                f"Received: {tensor.shape}"
            )
        if (info.mean or info.std) and (end == "output" or len(info.mean) != len(info.std)):
            raise ValueError(
                f"{which}: `mean` and `std` belong together, to an input. "
                f"Received: mean={info.mean}, std={info.std}"
            )
        fits = len(info.mean) in (0, 1, channels) and np.isfinite([*info.mean, *info.std]).all()
        if not fits or not all(value > 0 for value in info.std):
            raise ValueError(
                f"{which}: `mean` and `std` must hold one number, or one for each of {channels} "
                f"channels, std above 0. Received: mean={info.mean}, std={info.std}"
            )
        if info.labels and (end == "input" or len(info.labels) != channels):
            raise ValueError(
                f"{which}: `labels` must name the {channels} classes of an output. "
                f"Received: {len(info.labels)} labels"
            )
        if any(len(label.splitlines()) != 1 for label in info.labels):
            raise ValueError(f"{which}: a label is one line of text. Received: {info.labels}")
    return _with_shapes(infos, tensors)


def _with_shapes(infos: Sequence[TensorInfo], tensors: list[EndTensor]) -> tuple[TensorInfo, ...]:
    pairs = zip(infos, tensors, strict=True)
    return tuple(replace(info, shape=tensor.shape) for info, tensor in pairs)


def _entry(file: TFLiteFile) -> bytes | None:
    model = file.root
    try:
        for position in range(min(model.MetadataLength(), 64)):
            entry = model.Metadata(position)
            if entry.Name() == _ENTRY.encode():
                return bytes(model.Buffers(entry.Buffer()).DataAsNumpy())
    except Exception as error:  # the generated reader raises whatever the bytes lead it to
        raise ValueError(f"`data` is a damaged .tflite file: {error}") from error
    return None


def _with_entry(data: bytes, described: bytes, given: dict[str, tuple[TensorInfo, ...]]) -> bytes:
    """Returns the file with one more buffer, its entry, and a signature of the new names.

    A flatbuffer refers forwards only, so a new root table can point into the old file behind it.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    data += bytes(-len(data) % 16)
    builder = AligningBuilder(len(data) + 2 * len(described) + 4096)
    # The old bytes are at the end of the new ones; a builder counts positions from the end.
    builder.Prep(16, len(data))
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data

    def vector(slot: int) -> list[int]:
        """Places of the tables in a vector of the old root."""
        offset = model._tab.Offset(slot)
        if not offset:
            return []
        start, length = model._tab.Vector(offset), model._tab.VectorLen(offset)
        if length > len(data) // 4:
            raise ValueError(f"it claims {length} parts of one kind")
        return [len(data) - model._tab.Indirect(start + 4 * i) for i in range(length)]

    values = builder.CreateNumpyVector(np.frombuffer(described, np.uint8))
    schema.BufferStart(builder)
    schema.BufferAddData(builder, values)
    buffers = write_vector(builder, [*vector(12), schema.BufferEnd(builder)])
    name = builder.CreateString(_ENTRY)
    schema.MetadataStart(builder)
    schema.MetadataAddName(builder, name)
    schema.MetadataAddBuffer(builder, model.BuffersLength())
    entries = write_vector(builder, [*vector(16), schema.MetadataEnd(builder)])
    signatures = write_vector(builder, [_signature(builder, schema, model, given)])
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, model.Version())
    schema.ModelAddOperatorCodes(builder, _vector(model, 6, len(data)))
    schema.ModelAddSubgraphs(builder, _vector(model, 8, len(data)))
    schema.ModelAddBuffers(builder, buffers)
    schema.ModelAddMetadata(builder, entries)
    schema.ModelAddSignatureDefs(builder, signatures)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _vector(model: Any, slot: int, size: int) -> int:
    """Returns where a vector of the old root begins, counted from the end."""
    return size - (int(model._tab.Vector(model._tab.Offset(slot))) - 4)


def _signature(
    builder: Any, schema: Any, model: Any, given: dict[str, tuple[TensorInfo, ...]]
) -> int:
    maps = {}
    for end, infos in given.items():
        tensors = getattr(model.Subgraphs(0), f"{end.capitalize()}sAsNumpy")().tolist()
        made = []
        for info, tensor in zip(infos, tensors, strict=True):
            name = builder.CreateString(info.name)
            schema.TensorMapStart(builder)
            schema.TensorMapAddName(builder, name)
            schema.TensorMapAddTensorIndex(builder, tensor)
            made.append(schema.TensorMapEnd(builder))
        maps[end] = write_vector(builder, made)
    key = builder.CreateString("serving_default")
    schema.SignatureDefStart(builder)
    schema.SignatureDefAddInputs(builder, maps["input"])
    schema.SignatureDefAddOutputs(builder, maps["output"])
    schema.SignatureDefAddSignatureKey(builder, key)
    schema.SignatureDefAddSubgraphIndex(builder, 0)
    return int(schema.SignatureDefEnd(builder))
