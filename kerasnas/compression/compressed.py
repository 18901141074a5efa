"""What `compress` returns, and the table of what each step did."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasnas.data.arrays import inputs_in_order
from kerasnas.data.dataset import in_order, weights
from kerasnas.data.scoring import Scorer, drop
from kerasnas.export import Interpreter, Metadata, Origin, write
from kerasnas.keras_models.moving_statistics import rows
from kerasnas.runtime.files import write_atomic

_COLUMNS = ("step", "method", "epochs", "metric", "bytes", "compressed", "zeros", "MACs", "RAM")


class ToleranceError(ValueError):
    """The compressed model is worse than the tolerance allows.

    Args:
        message: What happened.
        compressed: The result all the same, for a look at its report.
    """

    def __init__(self, message: str, compressed: "Compressed") -> None:
        super().__init__(message)
        self.compressed = compressed


@dataclass
class Compressed:
    """A compressed model: a `.tflite` file and how it came about.

    Args:
        tflite: Bytes of the file.
        report: One dict for the float model and one for each step: `step`, `method`, `epochs`,
            `metric` (its name), `direction` ("min", "max", or None if unknown), `value`, `data`
            ("validation" or "test"), `test_value` (None without test data), `bytes` of the
            `.tflite` at that stage, `compressed_bytes` (zlib, level 9), `sparsity` of its kernels
            (without first and last ones unless these were pruned), `conversions` (operators that
            convert between integers and floats or between scales), `macs` and `ram_bytes` of that
            file (None where its operators are not known). The value of the last step is measured
            on the file, by the interpreter.
        scorer: The metrics of the model it was made from.
        origin: That model, the recipe, the seed and fingerprints of the data.
        tried: For a recipe that was searched for, one dict for each that was tried: `recipe`,
            `metric`, `value`, `lost`, `bytes`, `compressed_bytes`, `violations` of the budget,
            `good` (within tolerance and budget) and `pareto` (none was as good and smaller); for
            one that a step refused, None, and why as `error`.
    """

    tflite: bytes
    report: list[dict[str, Any]]
    scorer: Scorer = field(repr=False)
    origin: Origin = field(repr=False)
    tried: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        """Returns size, steps and score on one line, without the thousands of bytes of the file."""
        last = self.report[-1] if self.report else {}
        steps = [row["step"] for row in self.report[1:]]
        return (
            f"Compressed({len(self.tflite):,} bytes, steps={steps}, "
            f"{last.get('metric')}={last.get('value', math.nan):.4g} on {last.get('data')} data)"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file: all of it or nothing, even when the process is killed.

        Args:
            path: Where to. Its folder must exist.

        Returns:
            The path.
        """
        write_atomic(path, self.tflite, sync=True)
        return Path(path)

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        test_data: tuple[Any, Any] | None = None,
        metadata: Metadata | None = None,
        source: bool = False,
    ) -> Path:
        """Writes the file, its Keras model, its report and a manifest: all of it or nothing.

        Args:
            folder: Folder to write; see `kerasnas.export.write` for what it holds.
            test_data: Tuple `(x, y)` on which the written file is verified.
            metadata: Written into the `.tflite` file.
            source: Whether to write C++ source for a microcontroller too.

        Returns:
            Path of the folder.
        """
        return write(
            folder,
            self.tflite,
            self.origin,
            report=self.report,
            test_data=test_data,
            metadata=metadata,
            source=source,
        )

    def predict(self, x: Any) -> Any:
        """Runs the file in the interpreter.

        Args:
            x: Array of shape (samples, ...); for several inputs a list, a dict by name, or what the
                model itself takes.

        Returns:
            As `kerasnas.export.Interpreter.predict`.
        """
        arrays = inputs_in_order("x", x, self.origin.model)
        return Interpreter(self.tflite).predict(arrays if len(arrays) > 1 else arrays[0])

    def evaluate(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Scores the file, run by the interpreter.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: Weights of the samples in the loss and the `weighted_metrics`, as
                `keras.Model.evaluate` takes them.

        Returns:
            Dict from "loss" and the names of the model's metrics to values.
        """
        model, predicted = self.origin.model, self.predict(x)
        weighted = weights("sample_weight", sample_weight, model, rows(predicted))
        return self.scorer.score(predicted, in_order("y", y, model), weighted)

    def summary(self) -> str:
        """Returns the report as a table of text."""
        rows = [_COLUMNS, *(report_row(record) for record in self.report)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def report_row(record: dict[str, Any]) -> tuple[str, ...]:
    """Returns one record of a report as the cells of a table."""
    value = f"{record['metric']} {record['value']:.4f} ({record['data']})"
    if record["test_value"] is not None and record["data"] != "test":
        value += f", {record['test_value']:.4f} (test)"
    return (
        record["step"],
        record["method"],
        str(record["epochs"]),
        value,
        f"{record['bytes']:,}",
        f"{record['compressed_bytes']:,}",
        f"{record['sparsity']:.0%}",
        "-" if record["macs"] is None else f"{record['macs']:,}",
        "-" if record["ram_bytes"] is None else f"{record['ram_bytes']:,}",
    )


def lost_metric(report: list[dict[str, Any]]) -> float:
    """Returns how much worse the first metric has become from the float model to the file.

    Args:
        report: As in `Compressed`.

    Returns:
        Positive if it became worse; infinity if it is not a number.

    Raises:
        ValueError: If nothing tells whether the metric is to be large or small.
    """
    first, last = report[0], report[-1]
    lost = drop(last["metric"], last["direction"], first["value"], last["value"])
    return lost if math.isfinite(last["value"]) else math.inf
