"""`compress`: runs a recipe of steps on a trained model and reports what each did."""

import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas.compression.bridge import build, canonical, read, verify
from kerasnas.compression.data import Dataset, dataset
from kerasnas.compression.distill import Distill
from kerasnas.compression.prune import model_sparsity, prunable
from kerasnas.compression.scoring import Scorer, drop, first_metric
from kerasnas.compression.step import BridgedStep, KerasStep, Step
from kerasnas.compression.training import Training, legacy_loss, legacy_loss_weights
from kerasnas.export import Interpreter, to_tflite
from kerasnas.export.model_file import kernel_sparsity

# Why a step cannot come after another.
_FREE = "training without their pattern would lose the {}"
_UNDOES = {
    ("Prune", "PruneStructured"): _FREE.format("zeros"),
    ("Cluster", "PruneStructured"): _FREE.format("shared values"),
    ("Prune", "Distill"): _FREE.format("zeros"),
    ("Cluster", "Distill"): _FREE.format("shared values"),
    ("Cluster", "Prune"): "new zeros and their fine-tuning would break the shared values",
}
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
            `metric` (its name), `value`, `data` ("validation" or "test"), `test_value` (None
            without test data), `bytes` of the `.tflite` at that stage, `compressed_bytes` (zlib,
            level 9), `sparsity` of the kernels that pruning may touch, `macs` and `ram_bytes`
            (None where the cost model knows no rule for a layer). The value of the last step is
            measured on the file, by the interpreter.
        scorer: The metrics of the model it was made from.
    """

    tflite: bytes
    report: list[dict[str, Any]]
    scorer: Scorer = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file: all of it or nothing, even when the process is killed.

        Args:
            path: Where to. Its folder must exist.

        Returns:
            The path.
        """
        target = Path(path)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.tflite)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        return target

    def predict(self, x: Any) -> Any:
        """Runs the file in the interpreter; see `kerasnas.export.Interpreter.predict`."""
        return Interpreter(self.tflite).predict(x)

    def evaluate(self, x: Any, y: Any) -> dict[str, float]:
        """Scores the file, run by the interpreter.

        Args:
            x: Inputs.
            y: Targets.

        Returns:
            Dict from "loss" and the names of the model's metrics to values.
        """
        return self.scorer.score(self.predict(x), y)

    def summary(self) -> str:
        """The report as a table of text."""
        rows = [_COLUMNS, *(_row(record) for record in self.report)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def compress(
    model: keras.Model,
    recipe: Sequence[Step],
    *,
    train_data: tuple[Any, Any],
    validation_data: tuple[Any, Any] | None = None,
    test_data: tuple[Any, Any] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> Compressed:
    """Makes a trained model small, step by step, and verifies the file that comes out.

    Args:
        model: Compiled and trained Keras 3 model, Sequential or Functional. It is not changed.
        recipe: Steps in order, such as `[Prune(0.5), Quantize("int8")]`.
        train_data: Tuple `(x, y)` of arrays for fine-tuning and calibration; `x` may be a list or
            dict for several inputs.
        validation_data: Tuple `(x, y)` on which the metric of each step is measured.
        test_data: Tuple `(x, y)` on which the first and the last model are measured too. At least
            one of the two is needed.
        tolerance: Largest drop allowed of the first metric, absolute, from the float model to the
            file.
        seed: Of all training. The same seed gives the same file on the same machine.
        verbose: 1 prints a line when a step is done; 0 prints nothing.

    Returns:
        `Compressed`.

    Raises:
        ValueError: If an argument is not as described or a step cannot do the model: before any
            work.
        ToleranceError: If the file is worse than `tolerance` allows.

    Example:

    ```python
    small = kn.compress(
        model, [kn.Prune(0.5), kn.Quantize("int8")], train_data=(x, y), validation_data=(xv, yv)
    )
    small.save("model.tflite")
    print(small.summary())
    ```
    """
    steps = checked_recipe(recipe)
    _check_model(model)
    training_set = dataset("train_data", train_data, model)
    sets = {
        label: dataset(f"{label}_data", given, model)
        for label, given in (("validation", validation_data), ("test", test_data))
        if given is not None
    }
    if not sets:
        raise ValueError(
            "`validation_data` or `test_data` is needed: a metric on training data says nothing. "
            "Received: None for both"
        )
    if tolerance is not None and not (isinstance(tolerance, int | float) and tolerance >= 0):
        raise ValueError(f"`tolerance` must be 0 or more, or None. Received: {tolerance!r}")
    network = _Network(model, any(step.rewrites for step in steps))
    for step in steps:
        step.check(model if isinstance(step, KerasStep) else network.graph)

    work = _Work(network, sets, Scorer(model), verbose)
    training = Training(
        model,
        network.graph,
        training_set.x,
        training_set.y,
        legacy_loss(model),
        legacy_loss_weights(model),
        seed,
    )
    data = to_tflite(network.legacy)
    work.record("float", "trained", 0, data, work.float_scores(), "float32")
    for index, step in enumerate(steps):
        training.seed = seed + index
        if isinstance(step, KerasStep):
            network.replace(step.apply_to_keras(network.model, training))
            training.graph = network.graph
            data = to_tflite(network.legacy)
        else:
            network.legacy = step.apply(network.legacy, training)
            data = step.export(network.legacy, training)
        last = index == len(steps) - 1
        scores = work.file_scores(data) if last else work.model_scores()
        work.record(step.name, step.how, step.trained_epochs, data, scores, step.dtype, last)
    compressed = Compressed(data, work.report, work.scorer)
    _check_tolerance(compressed, tolerance)
    return compressed


class _Network:
    """A model and its tf_keras rebuild, which the steps of a recipe change.

    Args:
        model: The Keras 3 model.
        rewrites: Whether the rebuild is in canonical form.
    """

    def __init__(self, model: keras.Model, rewrites: bool) -> None:
        self._rewrites = rewrites
        self.replace(model)

    def replace(self, model: keras.Model) -> None:
        """Bridges another model."""
        self.model = model
        graph = read(model)
        self.graph = canonical(read(model)) if self._rewrites else graph
        self.legacy = build(self.graph)
        verify(model, graph, self.legacy)


class _Work:
    """Measures the stages of one `compress` and keeps their records."""

    def __init__(
        self, network: _Network, sets: dict[str, Dataset], scorer: Scorer, verbose: int
    ) -> None:
        self.network, self.sets, self.scorer, self.verbose = network, sets, scorer, verbose
        self.report: list[dict[str, Any]] = []

    def float_scores(self) -> dict[str, dict[str, float]]:
        scores = {}
        for label, data in self.sets.items():
            logs = self.network.model.evaluate(data.given_x, data.y, verbose=0, return_dict=True)
            scores[label] = {name: float(value) for name, value in logs.items()}
        return scores

    def model_scores(self) -> dict[str, dict[str, float]]:
        # Test data is for the first and the last model only, unless there is nothing else.
        label = next(iter(self.sets))
        data = self.sets[label]
        x = data.x if len(data.x) > 1 else data.x[0]
        predicted = self.network.legacy.predict(x, verbose=0)
        return {label: self.scorer.score(predicted, data.y)}

    def file_scores(self, tflite: bytes) -> dict[str, dict[str, float]]:
        interpreter = Interpreter(tflite)
        scores = {}
        for label, data in self.sets.items():
            predicted = interpreter.predict(data.x if len(data.x) > 1 else data.x[0])
            scores[label] = self.scorer.score(predicted, data.y)
        return scores

    def record(
        self,
        step: str,
        method: str,
        epochs: int,
        tflite: bytes,
        scores: dict[str, dict[str, float]],
        dtype: str,
        last: bool = False,
    ) -> None:
        label = next(iter(scores))
        metric = self.report[0]["metric"] if self.report else first_metric(scores[label])
        network = self.network
        kernels = prunable(network.graph)
        zeros = kernel_sparsity(tflite) if last else model_sparsity(network.legacy, kernels)
        macs, ram = _costs(network.model, dtype)
        self.report.append(
            {
                "step": step,
                "method": method,
                "epochs": epochs,
                "metric": metric,
                "value": scores[label][metric],
                "data": label,
                "test_value": scores.get("test", {}).get(metric),
                "bytes": len(tflite),
                "compressed_bytes": len(zlib.compress(tflite, 9)),
                "sparsity": zeros,
                "macs": macs,
                "ram_bytes": ram,
            }
        )
        if self.verbose:
            print("  ".join(_row(self.report[-1])), flush=True)


def _costs(model: keras.Model, dtype: str) -> tuple[int | None, int | None]:
    from kerasnas.hardware import profile

    try:
        costs = profile(model, dtype)
    except ValueError:
        return None, None
    return int(costs.macs), int(costs.ram_bytes)


def checked_recipe(recipe: Any) -> list[Step]:
    """Checks the steps of a recipe and their order, without a model.

    Args:
        recipe: What should be a list of steps.

    Returns:
        The steps.

    Raises:
        ValueError: If it is empty, holds something else, or a step would undo an earlier one.
    """
    if not isinstance(recipe, list | tuple) or not recipe:
        raise ValueError(
            "`recipe` must be a list of at least one step, such as [Prune(0.5), "
            f"Quantize('int8')]. Received: {recipe!r}"
        )
    for step in recipe:
        if isinstance(step, type) or not isinstance(step, BridgedStep | KerasStep):
            raise ValueError(f"`recipe` must hold steps, such as Prune(0.5). Received: {step!r}")
    for index, step in enumerate(recipe):
        if step.final and index < len(recipe) - 1:
            raise ValueError(f"{type(step).__name__} must be the last step. Received: {recipe!r}")
        for earlier in recipe[:index]:
            _check_order(earlier, step, recipe)
    if isinstance(recipe[-1], Distill) and not recipe[-1].epochs:
        raise ValueError(
            "Distill as the last step guides nothing: put it before the steps that it is to guide, "
            f"or give it epochs of its own. Received: {recipe!r}"
        )
    return list(recipe)


def _check_order(earlier: Step, later: Step, recipe: Sequence[Step]) -> None:
    """Refuses a pair of steps of which the later undoes the earlier."""
    first, second = type(earlier).__name__, type(later).__name__
    if first == second:
        raise ValueError(f"{first} is in `recipe` twice; give it once. Received: {recipe!r}")
    reason = _UNDOES.get((first, second))
    trains = not isinstance(later, Distill) or later.epochs > 0
    if first == "Distill" and isinstance(later, KerasStep) and earlier.trained_epochs:
        reason = "it trains the tf_keras rebuild, which is made again when channels have gone"
    if reason is not None and trains:
        raise ValueError(
            f"{second} after {first} would undo it: {reason}. Put {second} first. "
            f"Received: {recipe!r}"
        )


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras 3 model. Received: {type(model)}")
    if not model.compiled or model.loss is None:
        raise ValueError(
            "`model` must be compiled with a loss and metrics, which fine-tuning and the report "
            f"use: call `model.compile(...)`. Received: '{model.name}', not compiled"
        )


def _check_tolerance(compressed: Compressed, tolerance: float | None) -> None:
    if tolerance is None:
        return
    first, last = compressed.report[0], compressed.report[-1]
    lost = drop(last["metric"], first["value"], last["value"])
    if not lost <= tolerance or not np.isfinite(last["value"]):
        raise ToleranceError(
            f"{last['metric']} on {last['data']} data went from {first['value']:.4f} to "
            f"{last['value']:.4f}, more than the tolerance of {tolerance}. Try fewer zeros, more "
            "epochs or another quantization; the result is in the error's `compressed`.",
            compressed,
        )


def _row(record: dict[str, Any]) -> tuple[str, ...]:
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
