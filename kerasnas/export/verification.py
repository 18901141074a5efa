"""`verify`: reloads a `.tflite` file in a fresh process, scores it, compares it with its model."""

import functools
import os
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import packed
from kerasnas.data.dataset import dataset, output_names
from kerasnas.data.scoring import Scorer, distinct
from kerasnas.export.agreement import Ran, apart, compare_on_micro, run_if_taken
from kerasnas.export.micro import Target, check_target, run_on_micro
from kerasnas.keras_models.keras_2 import in_keras_3
from kerasnas.runtime.arguments import check_number
from kerasnas.tflite.inspection import check_scales, choices, ends
from kerasnas.tflite.interpreter import checked_inputs
from kerasnas.tflite.isolated_runner import run_file
from kerasnas.tflite.reader import TFLiteFile, opened


@dataclass(frozen=True)
class Verification:
    """What a `.tflite` file does.

    Args:
        runtime: The interpreter that it was scored on, "litert" or "micro".
        samples: Number of samples.
        metrics: Dict from metric to its value, of the file.
        model_metrics: The same of the Keras model; None without one.
        largest_difference: Dict from output to the largest absolute difference between the file
            and the Keras model, and of indices, of an argmax, the share that differs; None without
            a model.
        same_class: Dict from output, of those whose last axis holds at least two values, to the
            share of places where the largest value is at the same index as the model's; None
            without a model.
        largest_runtime_difference: Dict from output to the largest difference between TensorFlow
            Lite Micro and LiteRT, in quantization steps, or absolute for float outputs; of
            indices, of the scores that they point to. None unless both have run the file.
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
    target: Target = "litert",
    timeout: float = 600,
    tolerance: float | None = None,
) -> Verification:
    """Reloads a file in a fresh process, scores it, and compares it with its Keras model.

    With `target="micro"` the file is scored on TensorFlow Lite Micro, and what it computes there is
    compared with LiteRT and with the model. `to_tflite` and `compress` take the same `target` for
    the files that they make; here a file from anywhere is held against it.

    Args:
        file: Path of a `.tflite` file, or its bytes.
        x: Inputs, of shape (samples, ...); a list for several, or a dict by name with `model`.
        y: Targets. With a compiled `model`, as its `evaluate` takes them. Otherwise integer
            classes, which are scored by accuracy if the output holds at least two values a place,
            or numbers of the output's shape, scored by the mean squared error; a list for several
            outputs, whose names then precede the metric's.
        model: The Keras 3 or tf_keras model that the file was made from.
        target: `"litert"` (phones) or `"micro"` (needs `pip install 'kerasnas[micro]'`).
        timeout: Seconds for each run of the file.
        tolerance: With `target="micro"`, how many quantization steps of an output TensorFlow Lite
            Micro may be away from LiteRT or from the model; of a float output, how many 255ths of
            its range. 0 asks for equality. None is what rounding explains: a step or .05 of the
            range, 1e-4 of the largest float. Indices of an argmax may differ where their scores
            differ by no more than that. Where LiteRT does not run the file, None refuses what has
            next to nothing to do with the model.

    Returns:
        `Verification`.

    Raises:
        ValueError: If the file is no complete TensorFlow Lite model, a scale in it is no positive
            number, the interpreter refuses it (of TensorFlow Lite Micro with operator and layer),
            shapes do not fit, or TensorFlow Lite Micro is farther than `tolerance` from LiteRT and
            from the model.
        RuntimeError: If the file ends the interpreter's process.
        TimeoutError: If a run takes longer than `timeout`.

    Example:

    ```python
    found = kn.export.verify("model.tflite", x_test, y_test, model)
    print(found.metrics, found.largest_difference, found.same_class)
    ```
    """
    check_target(target)
    steps = "a number of quantization steps"
    check_number("tolerance", tolerance, what=steps, least=0, optional=True)
    model = in_keras_3(model)
    parsed = opened(file)
    check_scales(parsed)
    shapes = [tensor.shape for tensor in ends(parsed, "input")]
    predictions = None
    if model is not None:
        x, y, predictions = _of_model(model, x, y)
    arrays = checked_inputs(x, shapes)
    run = run_on_micro if target == "micro" else functools.partial(run_file, runtime="litert")
    outputs = run(file, arrays, timeout=timeout)
    names = _names(parsed, model, outputs, predictions)
    between = None
    if target == "micro":
        ran = Ran(outputs, run_if_taken(file, arrays, "litert", timeout), predictions)
        between = compare_on_micro(file, arrays, names, ran, timeout, tolerance)
    score, count = _scoring(model, names, y), len(arrays[0])
    scores = score(outputs)
    if predictions is None:
        return Verification(target, count, scores, None, None, None, between)
    off, same = {}, {}
    ends_of = zip(names, outputs, predictions, choices(parsed), strict=True)
    for name, have, want, choice in ends_of:
        differs = apart(have, want).max(initial=0) if choice is None else (have != want).mean()
        off[name] = float(differs)
        if have.ndim > 1 and have.shape[-1] > 1:
            same[name] = float((have.argmax(-1) == want.argmax(-1)).mean())
    return Verification(target, count, scores, score(predictions), off, same, between)


def _of_model(model: Any, x: Any, y: Any) -> tuple[Any, Any, list[np.ndarray]]:
    """Inputs and targets in the model's order, and what the model makes of them."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras 3 model, or None. Received: {type(model)}")
    checked = dataset("(x, y)", (x, y), model)
    predictions = keras.tree.flatten(model.predict(packed(checked.x, model), verbose=0))
    ordered = checked.x if len(checked.x) > 1 else checked.x[0]
    return ordered, checked.y, [np.asarray(array) for array in predictions]


def _names(
    file: TFLiteFile, model: Any, outputs: list[np.ndarray], predictions: list[np.ndarray] | None
) -> list[str]:
    if predictions is None:
        return distinct([tensor.name for tensor in ends(file, "output")])
    of_file, of_model = ([array.shape[1:] for array in arrays] for arrays in (outputs, predictions))
    if of_file != of_model:
        raise ValueError(
            f"`model` must be the one that `file` was made from, with outputs of shapes {of_file}. "
            f"Received: '{model.name}', with {of_model}"
        )
    return distinct(output_names(model))


def _scoring(model: Any, names: list[str], y: Any) -> Any:
    if model is not None and model.compiled:
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
