"""Timings that someone has measured, and the work that was timed."""

import csv
import dataclasses
import hashlib
import itertools
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from kerasnas.hardware.profile import Profile, Work
from kerasnas.hardware.tflite_profile import profile_tflite
from kerasnas.runtime.arguments import check_number

_PREPARATION = ("ModifyGraphWithDelegate", "AllocateTensors")


@dataclasses.dataclass(frozen=True)
class Timing:
    """What was timed, and how long it took.

    Args:
        work: What the operators that were timed do, by TFLite's name of their kind.
        ms: Milliseconds.
        model: Name of the model. Timings of one model are held out together.
        whole: Whether a whole inference was timed, and not one operator of it.
        dtype: What the model computes in, as `Profile.dtype` names it.

    Raises:
        TypeError: An argument of another type.
        ValueError: `ms` is no finite number above 0 (for an operator, from 0), or no work.

    Example:

    >>> import kerasnas as kn
    >>> kn.hardware.Timing({"ADD": kn.hardware.Work(1, 0, 64)}, ms=0.5).dtype
    'int8'
    """

    work: Mapping[str, Work]
    ms: float
    model: str = ""
    whole: bool = True
    dtype: str = "int8"

    def __post_init__(self) -> None:
        for name in ("model", "dtype"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(
                    f"Argument `{name}` must be a string. Received: {name}={getattr(self, name)!r}"
                )
        if not isinstance(self.work, Mapping):
            raise TypeError(
                "Argument `work` must be a mapping from TFLite's names of operators to "
                f"kerasnas.hardware.Work. Received: work={self.work!r}"
            )
        for kind, done in self.work.items():
            if not isinstance(kind, str) or not isinstance(done, Work):
                raise TypeError(
                    f"Argument `work[{kind!r}]` must be a kerasnas.hardware.Work, by TFLite's name "
                    f"of the operator. Received: {done!r}"
                )
        above, least = (0, None) if self.whole else (None, 0)
        check_number("ms", self.ms, what="a number of milliseconds", above=above, least=least)
        if not self.work:
            raise ValueError(f"A timing needs the work that was timed. Received: {self.work!r}")

    @classmethod
    def of(cls, subject: Profile | bytes, ms: float, model: str = "") -> "Timing":
        """Returns the timing of a whole inference.

        Args:
            subject: The profile of the model, or the bytes of its `.tflite` file.
            ms: Milliseconds.
            model: Name of the model.

        Returns:
            The timing, with the work and the dtype of the model.

        Raises:
            TypeError: `subject` is neither, or `ms` is no number.
            ValueError: Bytes that are no model, a profile that says nothing of its operators, or
                `ms` that is no finite number above 0.

        Example:

        >>> import keras, kerasnas as kn
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> kn.hardware.Timing.of(kn.profile(model), ms=0.2, model="small").work
        {'FULLY_CONNECTED': Work(operators=1, macs=32, values=4)}
        """
        check_number("ms", ms, what="a number of milliseconds", above=0)
        if isinstance(subject, bytes | bytearray | memoryview):
            subject = profile_tflite(bytes(subject))
        if not isinstance(subject, Profile):
            raise TypeError(
                "Argument `subject` must be a profile, kn.profile(model), or the bytes of a "
                "`.tflite` file, pathlib.Path(path).read_bytes(). Received: "
                f"{subject!r} of type {type(subject).__name__}"
            )
        return cls(subject.work, float(ms), model, dtype=subject.dtype)


def read_timings(path: str | os.PathLike[str]) -> list[Timing]:
    """Reads how long whole models took.

    Args:
        path: A CSV file with the columns `model`, the path of a `.tflite` file beside the CSV,
            and `ms`, the milliseconds of one inference. Further columns are left alone; a model
            may stand in several rows.

    Returns:
        One timing a row.

    Raises:
        ValueError: A column is missing, there is no row, or a row has no number above 0 or names
            no readable model. The error names the file, the line and the column.

    Example:

    ```python
    # board.csv: model,ms
    #            small.tflite,12.5
    #            large.tflite,80.1
    timings = kn.hardware.read_timings("board.csv")
    model = kn.hardware.LatencyModel.fit(timings, like=kn.hardware.MICROCONTROLLER)
    ```
    """
    path = pathlib.Path(path)
    try:
        rows = list(enumerate(csv.reader(_lines(path)), start=1))
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}") from error
    rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError(f"{path} is empty: it must have the columns model and ms")
    header = [cell.strip().lower() for cell in rows[0][1]]
    model_at, ms_at = (_column(path, rows[0][0], header, name) for name in ("model", "ms"))
    if not rows[1:]:
        raise ValueError(f"{path} has no row below its header: write a model and its ms in each")
    found = []
    for line, row in rows[1:]:
        where = f"{path}, line {line}, column"
        name = _cell(f"{where} model", row, model_at)
        ms = _number(f"{where} ms", row, ms_at)
        file = path.parent / name
        if not file.is_file():
            raise ValueError(f"{where} model: there is no file {name!r} beside the CSV")
        try:
            found.append(Timing.of(file.read_bytes(), ms, name))
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
    return found


def read_operator_timings(
    path: str | os.PathLike[str], model: bytes | str | os.PathLike[str]
) -> list[Timing]:
    """Reads how long each operator of a model took, as TensorFlow Lite's benchmark tool prints it.

    It is run as `benchmark_model --graph=FILE --enable_op_profiling=true --use_xnnpack=false`; read
    is what it prints, or what it writes with `--op_profiling_output_mode=csv
    --op_profiling_output_file=TIMINGS` (`--profiling_output_csv_file=TIMINGS` of older ones). A
    delegate such as XNNPACK joins operators to ones of its own, which are not those of the file.

    Args:
        path: What the tool has printed or written, of which the run order of the regular runs is
            read; or the rows of that section alone, with their header.
        model: The `.tflite` file that was timed: its path or bytes.

    Returns:
        One timing an operator, in the order of execution.

    Raises:
        ValueError: There is no such section, a column is missing, a row has no number, or the
            operators are not those of the model. The error names the file, the line and the column.

    Source: tensorflow, `core/util/stats_calculator.cc`, for the columns, and
    `lite/tools/benchmark/README.md` for the flags.

    Example:

    ```python
    timings = kn.hardware.read_operator_timings("phone.csv", "model.tflite")
    model = kn.hardware.LatencyModel.fit(timings, source="Pixel 3, one thread")
    ```
    """
    path = pathlib.Path(path)
    data = model if isinstance(model, bytes) else pathlib.Path(model).read_bytes()
    # Two models that came as bytes are two.
    name = hashlib.sha256(data).hexdigest() if isinstance(model, bytes) else os.fspath(model)
    line, header, rows = _run_order(path)
    kind_at, ms_at = (_column(path, line, header, column) for column in ("node type", "avg_ms"))
    profile = profile_tflite(data)
    layers = profile.layers
    found = []
    for (number, row), layer in zip(rows, layers, strict=False):
        where = f"{path}, line {number}, column"
        kind = _cell(f"{where} node type", row, kind_at)
        if kind != layer.kind:
            raise ValueError(
                f"{where} node type: {kind} stands where the model has "
                f"{layer.kind}. Is it this model, and was it timed with --use_xnnpack=false?"
            )
        ms = _number(f"{where} avg_ms", row, ms_at, zero=True)
        work = {kind: Work(1, layer.macs, math.prod(layer.shape))}
        found.append(Timing(work, ms, name, whole=False, dtype=profile.dtype))
    if len(rows) != len(layers):
        raise ValueError(
            f"{path} has {len(rows)} operators from line {line + 1} on, the model {len(layers)}. "
            "Is it this model, and was it timed with --use_xnnpack=false?"
        )
    return found


def _run_order(path: pathlib.Path) -> tuple[int, list[str], list[tuple[int, list[str]]]]:
    """Returns the header with its line, and the rows with theirs, of the regular runs."""
    title, lines = "", _lines(path)
    for line, text in enumerate(lines, start=1):
        header = [cell.strip("[]").lower().replace(" ms", "_ms") for cell in _cells(text)]
        ordered = "Run Order" in title or not title.startswith("===")
        if header[0] == "node type" and ordered:
            below = itertools.takewhile(_is_row, lines[line:])
            rows = [(number, _cells(row)) for number, row in enumerate(below, start=line + 1)]
            # The tool times its own preparation first.
            if rows and rows[0][1][0] not in _PREPARATION:
                return line, header, rows
        title = text.strip()
    raise ValueError(
        f"{path} has no operators: write it with benchmark_model --enable_op_profiling=true. "
        "Expected a header that begins with 'node type', and rows below it"
    )


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("===")


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8: save the table as a CSV file, in UTF-8 ({error})"
        ) from error


def _cells(line: str) -> list[str]:
    """Returns the cells of a line of either of the tool's formats."""
    if line.startswith("\t"):  # What it prints begins each column with one.
        return [cell.strip() for cell in line[1:].split("\t")]
    found = next(csv.reader([line], skipinitialspace=True), [])
    return [cell.strip() for cell in found] or [""]


def _column(path: pathlib.Path, line: int, header: Sequence[str], name: str) -> int:
    if name not in header:
        other = next((mark for mark in ";\t|" if any(mark in cell for cell in header)), None)
        hint = "" if other is None else f": columns are separated by commas, and not by {other!r}"
        raise ValueError(
            f"{path}, line {line}: there is no column {name!r}{hint}. Received: {', '.join(header)}"
        )
    return header.index(name)


def _cell(where: str, row: Sequence[str], at: int) -> str:
    text = row[at].strip() if at < len(row) else ""
    if not text:
        raise ValueError(f"{where}: nothing stands there")
    return text


def _number(where: str, row: Sequence[str], at: int, zero: bool = False) -> float:
    """Returns a number above 0, or 0 where that may stand there."""
    text = _cell(where, row, at)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf or (zero and number == 0)):
        kind = "from 0 on" if zero else "above 0"
        raise ValueError(f"{where}: must be a number of milliseconds {kind}. Received: {text!r}")
    return number
