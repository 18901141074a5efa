"""All that belongs to a deployed model, in one folder."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas._version import __version__
from kerasnas.data.dataset import output_names
from kerasnas.export.c_array import c_array
from kerasnas.export.folder import MANIFEST, write_folder
from kerasnas.export.verification import verify
from kerasnas.tflite.metadata import add_metadata
from kerasnas.tflite.metadata_schema import Metadata, TensorInfo

_PACKAGES = (
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "numpy",
)


@dataclass(frozen=True)
class Origin:
    """What a `.tflite` file was made from.

    Args:
        model: The Keras 3 model.
        recipe: The steps, as text that makes them again.
        seed: Seed of all training.
        data: Dict from the name of a set of samples to its `data_hash`.
    """

    model: keras.Model
    recipe: tuple[str, ...] = ()
    seed: int | None = None
    data: dict[str, str] = dataclasses.field(default_factory=dict)


def data_hash(x: Any, y: Any = None, sample_weight: Any = None) -> str:
    """Returns a fingerprint of samples.

    Args:
        x: Array of inputs, or a list or dict of them.
        y: Targets likewise.
        sample_weight: Weights of the samples likewise.

    Returns:
        SHA-256 of names, dtypes, shapes and values, as hexadecimal digits.

    Example:

    ```python
    kn.export.data_hash(x_train, y_train)
    ```
    """
    digest = hashlib.sha256()
    given = {"x": x, "y": y}
    if sample_weight is not None:
        given["sample_weight"] = sample_weight
    for path, value in keras.tree.flatten_with_path(given):
        array = np.ascontiguousarray(value)
        digest.update(f"{path} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes() if array.dtype.kind != "O" else repr(value).encode())
    return digest.hexdigest()


def write(
    folder: str | os.PathLike[str],
    data: bytes,
    origin: Origin,
    *,
    report: list[dict[str, Any]] | None = None,
    test_data: tuple[Any, Any] | None = None,
    metadata: Metadata | None = None,
    source: bool = False,
) -> Path:
    """Writes a file, its model, its report and a manifest: together, or nothing at all.

    `model.tflite`; `model.keras`, the Keras model that it was made from; `report.json`; and
    `manifest.json` with versions, seed, fingerprints of the data, recipe, result, and the size and
    SHA-256 of each file.

    Args:
        folder: Folder to write. One that this function wrote before is replaced.
        data: Bytes of a `.tflite` file.
        origin: What it was made from.
        report: What each step did, as in `Compressed.report`.
        test_data: Tuple `(x, y)`. With it the file, as it lies on the disk, is verified in a fresh
            process before the folder gets its name, and the manifest says what it gave.
        metadata: Written into `model.tflite`. Entries with the names of the model's own inputs or
            outputs may come in any order.
        source: Whether to write `model.h` and `model.cc` for a microcontroller too. They hold the
            file without metadata.

    Returns:
        Path of the folder.

    Raises:
        ValueError: If `folder` is something that this function did not write, or an argument does
            not fit the file.
        OSError: If the folder cannot be written or the disk is full. Nothing is left behind.

    Example:

    ```python
    origin = kn.export.Origin(model, ("Quantize('int8')",), seed=0)
    kn.export.write("deployed", data, origin, test_data=(x_test, y_test), source=True)
    ```
    """

    if test_data is not None and len(test_data) != 2:
        raise ValueError(
            "`test_data` must be a tuple (x, y): a file is verified without weights of samples. "
            f"Received: {len(test_data)} values"
        )

    def fill(made: Path) -> None:
        tflite = made / "model.tflite"
        tflite.write_bytes(
            data if metadata is None else add_metadata(data, _in_order(metadata, origin.model))
        )
        origin.model.save(made / "model.keras")
        (made / "report.json").write_text(_json(report or []))
        for name, text in (c_array(data) if source else {}).items():
            (made / name).write_text(text)
        verified = None
        if test_data is not None:
            verified = dataclasses.asdict(verify(tflite, *test_data, origin.model))
        last = report[-1] if report else {}
        manifest = {
            "versions": _versions(),
            "seed": origin.seed,
            "data": origin.data,
            "recipe": list(origin.recipe),
            "result": {key: last.get(key) for key in ("metric", "value", "data", "test_value")},
            "verification": verified,
            "files": {path.name: _seal(path) for path in sorted(made.iterdir())},
        }
        (made / MANIFEST).write_text(_json(manifest))

    return write_folder(folder, fill)


def _in_order(metadata: Metadata, model: keras.Model) -> Metadata:
    """Returns metadata in the order of a model's inputs and outputs, where it has their names."""

    def sorted_by(names: list[str], infos: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        entries = {info.name: info for info in infos}
        known = set(entries) == set(names) and len(names) == len(infos)
        return tuple(entries[name] for name in names) if known else infos

    return dataclasses.replace(
        metadata,
        inputs=sorted_by([tensor.name for tensor in model.inputs], metadata.inputs),
        outputs=sorted_by(output_names(model), metadata.outputs),
    )


def _versions() -> dict[str, str]:
    found = {"kerasnas": __version__, "python": platform.python_version()}
    return found | {package: importlib.metadata.version(package) for package in _PACKAGES}


def _seal(path: Path) -> dict[str, Any]:
    # Read back from the disk, so that the figures are those of what lies there.
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
