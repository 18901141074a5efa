"""`verify`: reloads a `.tflite` file in a fresh process, scores it, compares it with its model."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from kerasnas.export.fresh_process import run_file
from kerasnas.export.interpreter import checked_inputs
from kerasnas.export.model_file import ends, operators, output_steps
from kerasnas.utils.arrays import packed

# Between two correct sets of kernels: of float outputs, relative to the largest of them, and of
# quantized ones, relative to their range. Most int8 files give the same to the bit; over the layers
# of MLPerf Tiny's ResNet the roundings add up to .035 on noise.
_SAME_FLOAT, _SAME_QUANTIZED = 1e-4, 0.05
# The operator that unpacks weights on TensorFlow Lite Micro; LiteRT has none like it.
_MICRO_ONLY = "TFLM_DECODE"


@dataclass(frozen=True)
class Verification:
    """What a `.tflite` file does.

    Args:
        runtime: The interpreter that it was scored on, "litert" or "micro".
        samples: Number of samples.
        metrics: Dict from metric to its value, of the file.
        model_metrics: The same of the Keras model; None without one.
        largest_difference: Dict from output to the largest absolute difference between the file
            and the Keras model; None without one.
        same_class: Dict from output, of those whose last axis holds at least two values, to the
            share of places where the largest value is at the same index as the model's; None
            without a model.
        largest_runtime_difference: Dict from output to the largest difference between TensorFlow
            Lite Micro and LiteRT's reference kernels, in quantization steps, or absolute for float
            outputs; None unless both have run the file.
    """

    runtime: str
    samples: int
    metrics: dict[str, float]
    model_metrics: dict[str, float] | None = None
    largest_difference: dict[str, float] | None = None
    same_class: dict[str, float] | None = None
    largest_runtime_difference: dict[str, float] | None = None


def verify(
    file: str | os.PathLike[str] | bytes,
    x: Any,
    y: Any,
    model: keras.Model | None = None,
    target: Literal["litert", "micro"] = "litert",
    timeout: float = 600,
) -> Verification:
    """Reloads a file in a fresh process, scores it, and compares it with its Keras model.

    With `target="micro"` the file is scored on TensorFlow Lite Micro, and set beside LiteRT's
    reference kernels. The target is asked for here, and not where a file is made, because a file
    from anywhere can be held against the microcontroller that it will run on.

    Args:
        file: Path of a `.tflite` file, or its bytes.
        x: Inputs, of shape (samples, ...); a list for several, or a dict by name with `model`.
        y: Targets. With a compiled `model`, as its `evaluate` takes them. Otherwise integer
            classes, which are scored by accuracy if the output holds at least two values a place,
            or numbers of the output's shape, scored by the mean squared error; a list for several
            outputs, whose names then precede the metric's.
        model: The Keras 3 model that the file was made from.
        target: `"litert"` (phones) or `"micro"` (needs `pip install 'kerasnas[micro]'`).
        timeout: Seconds for each run of the file.

    Returns:
        `Verification`.

    Raises:
        ValueError: If the file is no complete TensorFlow Lite model, the interpreter refuses it
            (of TensorFlow Lite Micro with the operator that it lacks), shapes do not fit, or the
            two interpreters differ by more than their rounding explains: one quantization step or
            .05 of the range of the outputs.
        RuntimeError: If the file ends the interpreter's process.
        TimeoutError: If a run takes longer than `timeout`.

    Example:

    ```python
    found = kn.export.verify("model.tflite", x_test, y_test, model)
    print(found.metrics, found.largest_difference, found.same_class)
    ```
    """
    if target not in ("litert", "micro"):
        raise ValueError(f"`target` must be 'litert' or 'micro'. Received: {target!r}")
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    kinds = {op.name for op in operators(data)}
    shapes = [tensor.shape for tensor in ends(data, "input")]
    predictions = None
    if model is not None:
        x, y, predictions = _of_model(model, x, y)
    arrays = checked_inputs(x, shapes)
    if target == "micro":
        from kerasnas.hardware import measure_arena

        measure_arena(data, timeout)  # It names the operator that the interpreter lacks.
    outputs = run_file(file, arrays, target, timeout)
    names = _names(data, model, len(outputs))
    between = None
    if target == "micro" and _MICRO_ONLY not in kinds:
        reference = run_file(file, arrays, "reference", timeout)
        between = _between(names, outputs, reference, output_steps(data))
    score = _scoring(model, names, y)
    if predictions is None:
        return Verification(target, len(arrays[0]), score(outputs), None, None, None, between)
    pairs = list(zip(names, outputs, predictions, strict=True))
    return Verification(
        target,
        len(arrays[0]),
        score(outputs),
        score(predictions),
        {name: float(np.abs(have - want).max(initial=0)) for name, have, want in pairs},
        {
            name: float((have.argmax(-1) == want.argmax(-1)).mean())
            for name, have, want in pairs
            if have.ndim > 1 and have.shape[-1] > 1
        },
        between,
    )


def _of_model(model: Any, x: Any, y: Any) -> tuple[Any, Any, list[np.ndarray]]:
    """Inputs and targets in the model's order, and what the model makes of them."""
    from kerasnas.compression.data import dataset

    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras 3 model, or None. Received: {type(model)}")
    checked = dataset("(x, y)", (x, y), model)
    predictions = keras.tree.flatten(model.predict(packed(checked.x, model), verbose=0))
    ordered = checked.x if len(checked.x) > 1 else checked.x[0]
    return ordered, checked.y, [np.asarray(array) for array in predictions]


def _names(data: bytes, model: Any, outputs: int) -> list[str]:
    if model is None:
        return [tensor.name for tensor in ends(data, "output")]
    from kerasnas.compression.data import output_names

    names = output_names(model)
    if len(names) != outputs:
        raise ValueError(
            f"`model` must be the one that `file` was made from, with {outputs} outputs. "
            f"Received: '{model.name}', with {len(names)}"
        )
    return names


def _between(
    names: list[str], micro: list[np.ndarray], litert: list[np.ndarray], steps: list[float]
) -> dict[str, float]:
    """The largest differences between the interpreters, refused beyond rounding."""
    differences = {}
    for name, ours, theirs, step in zip(names, micro, litert, steps, strict=True):
        difference = float(np.abs(ours.astype("float64") - theirs).max(initial=0))
        if step:
            # The floats that stand for neighbouring steps are rounded themselves.
            most = max(1.001 * step, _SAME_QUANTIZED * float(np.ptp(theirs)))
        else:
            most = _SAME_FLOAT * float(np.abs(theirs).max(initial=0))
        if not difference <= most:
            raise ValueError(
                f"TensorFlow Lite Micro and LiteRT differ by {difference:g} in output '{name}' of "
                f"`file`, more than rounding explains ({most:g})"
            )
        differences[name] = difference / step if step else difference
    return differences


def _scoring(model: Any, names: list[str], y: Any) -> Any:
    if model is not None and model.compiled:
        from kerasnas.compression.scoring import Scorer

        scorer = Scorer(model)
        return lambda outputs: scorer.score(outputs if len(outputs) > 1 else outputs[0], y)
    targets = [np.asarray(array) for array in (y if len(names) > 1 else [y])]
    if len(targets) != len(names):
        raise ValueError(f"`y` must be a list of {len(names)} arrays. Received: {len(targets)}")

    def score(outputs: list[np.ndarray]) -> dict[str, float]:
        found = {}
        for name, output, target in zip(names, outputs, targets, strict=True):
            metric, value = _default_metric(output, target)
            found[metric if len(names) == 1 else f"{name}_{metric}"] = value
        return found

    return score


def _default_metric(output: np.ndarray, target: np.ndarray) -> tuple[str, float]:
    classes = target[..., 0] if target.shape == (*output.shape[:-1], 1) else target
    classifies = target.dtype.kind in "iu" and output.ndim > 1 and output.shape[-1] > 1
    if classifies and classes.shape == output.shape[:-1]:
        return "accuracy", float((output.argmax(-1) == classes).mean())
    if target.shape == output.shape[:-1] and output.shape[-1] == 1:
        target = target[..., np.newaxis]
    if target.shape != output.shape or target.dtype.kind not in "fiub":
        raise ValueError(
            f"`y` must hold integer classes of shape {output.shape[:-1]}, or numbers of shape "
            f"{output.shape}. Received: {target.dtype} of shape {target.shape}"
        )
    return "mean_squared_error", float(np.square(output - target.astype("float32")).mean())
