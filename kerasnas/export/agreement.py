"""Whether TensorFlow Lite Micro computes of a file what LiteRT and the Keras model compute."""

import os
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from kerasnas.export.differences import difference
from kerasnas.tflite.inspection import Choice, choices, output_steps, with_output
from kerasnas.tflite.isolated_runner import run_file
from kerasnas.tflite.reader import TFLiteFile, opened

# The largest difference between two correct sets of kernels: for float outputs as a share of the
# largest output, for quantized ones as a share of their range. Most int8 files agree to one step.
_SAME_FLOAT, _SAME_QUANTIZED = 1e-4, 0.05
# Rounding adds up from layer to layer, but two correct sets of kernels end up equally far from the
# float model. A wrong kernel is at least this many times as far.
_FARTHER = 2.0
# The number of steps in the range of an int8 output. Float outputs are measured in the same steps.
_STEPS = 255
# For files that LiteRT does not run: the difference from the model that 8 bits explain, as a share
# of the largest value, and the largest allowed one, as a share of the spread over samples.
_EXPLAINED, _RELATED = 0.016, 0.7


class Output(NamedTuple):
    """One output of a file.

    Args:
        name: Its name.
        step: The size of its quantization step; 0 if it is computed in floating point.
        micro: What TensorFlow Lite Micro gives, of shape (samples, ...).
        litert: What LiteRT gives.
        keras: What the Keras model gives; None without one.
    """

    name: str
    step: float
    micro: np.ndarray
    litert: np.ndarray
    keras: np.ndarray | None


class Ran(NamedTuple):
    """What runtimes made of the same samples: one array of shape (samples, ...) for each output.

    Args:
        micro: TensorFlow Lite Micro.
        litert: LiteRT; None where it does not take the file.
        keras: The Keras model; None without one.
    """

    micro: Sequence[np.ndarray]
    litert: Sequence[np.ndarray] | None
    keras: Sequence[np.ndarray] | None


def compare_on_micro(
    file: str | os.PathLike[str] | bytes | TFLiteFile,
    arrays: list[np.ndarray],
    names: Sequence[str],
    ran: Ran,
    timeout: float,
    tolerance: float | None = None,
) -> dict[str, float] | None:
    """Compares what TensorFlow Lite Micro made of a file with what others made of it.

    Args:
        file: Path of a `.tflite` file, its bytes, or the file parsed.
        arrays: The inputs, one array of shape (samples, ...) for each.
        names: Of the outputs.
        ran: What they made of the inputs.
        timeout: Seconds for another run of the file, if it is needed.
        tolerance: As in `runtime_differences`.

    Returns:
        As `runtime_differences`; None where LiteRT does not take the file. Indices of an argmax
        are compared by the scores that they point to, and differ by those, unless a `tolerance` of
        0 asks for the same ones.

    Raises:
        ValueError: If an output of TensorFlow Lite Micro is wrong. It is named.
    """
    file = opened(file)
    steps = output_steps(file)
    if ran.litert is None:
        if ran.keras is not None:
            _compare_with_model(names, steps, ran.micro, ran.keras, tolerance)
        return None
    # An index is as right as the score that it points to: of two that tie, either may come first.
    choice_of = _doubtful(file, ran) if tolerance != 0 else {}
    scores = {}
    for place, choice in choice_of.items():
        found = run_file(with_output(file, place, choice.scores), arrays, "litert", timeout)
        scores[place], steps[place] = found[place], choice.step

    def compared(outputs: Sequence[np.ndarray] | None) -> list[np.ndarray] | None:
        if outputs is None:
            return None
        return [
            _pointed_to(array, scores[place], choice_of[place].axis) if place in scores else array
            for place, array in enumerate(outputs)
        ]

    columns = (names, steps, *(compared(found) or repeat(None) for found in ran))
    return runtime_differences(
        [Output(*of_one) for of_one in zip(*columns, strict=False)],
        lambda: compared(run_if_taken(file, arrays, "reference", timeout)),
        tolerance,
    )


def _doubtful(file: TFLiteFile, ran: Ran) -> dict[int, Choice]:
    """Returns the outputs of indices of which runtimes or the model choose different ones."""
    found = {}
    for place, choice in enumerate(choices(file)):
        told = [outputs[place] for outputs in ran if outputs is not None]
        if choice is not None and any((array != told[0]).any() for array in told):
            found[place] = choice
    return found


def _pointed_to(indices: np.ndarray, scores: np.ndarray, axis: int) -> np.ndarray:
    """Returns the scores at indices along an axis; NaN for an index beyond it."""
    axis %= scores.ndim
    shape = (*scores.shape[:axis], 1, *scores.shape[axis + 1 :])
    places = indices.reshape(shape).astype("int64")
    inside = (places >= 0) & (places < scores.shape[axis])
    found = np.take_along_axis(scores, np.where(inside, places, 0), axis).astype("float64")
    return np.where(inside, found, np.nan)


def _compare_with_model(
    names: Sequence[str],
    steps: Sequence[float],
    micro: Sequence[np.ndarray],
    keras: Sequence[np.ndarray],
    tolerance: float | None,
) -> None:
    """Refuses what TensorFlow Lite Micro gives where there is only the model to hold it against.

    A model in floating point, which may have been trained on since, says no more than whether the
    file computes another function.
    """
    for name, step, have, want in zip(names, steps, micro, keras, strict=True):
        if tolerance is None:
            share = difference(want, have, step, _EXPLAINED)
            right, told = share <= _RELATED, f"{share:.0%} of its spread"
        else:
            allowed = _most(Output(name, step, have, want, None), tolerance)
            right, told = _agree(have, want, allowed), f"{apart(have, want).max(initial=0):g}"
        if not right:
            raise ValueError(
                f"TensorFlow Lite Micro differs from the Keras model by {told} in output '{name}' "
                "of `file`, which LiteRT does not run: it computes something else"
            )


def run_if_taken(
    file: str | os.PathLike[str] | bytes | TFLiteFile,
    arrays: list[np.ndarray],
    kernels: str,
    timeout: float,
) -> list[np.ndarray] | None:
    """Runs a file on LiteRT; returns None if it lacks an operator of TensorFlow Lite Micro's."""
    try:
        return run_file(file, arrays, kernels, timeout)
    except (ValueError, RuntimeError):
        return None


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the absolute differences of two arrays, 0 where both are NaN or the same infinity."""
    with np.errstate(invalid="ignore"):
        differences = np.abs(one.astype("float64") - other.astype("float64"))
    same = (one == other) | ((one != one) & (other != other))
    return np.where(same, 0.0, differences)


def runtime_differences(
    outputs: list[Output],
    reference: Callable[[], list[np.ndarray] | None],
    tolerance: float | None = None,
) -> dict[str, float]:
    """Compares TensorFlow Lite Micro with LiteRT, and refuses it where it is wrong.

    Either runtime has kernels that are wrong (LiteRT's reference kernels have no ELU and no
    DEPTH_TO_SPACE, and fail for an int8 GroupNormalization), so one difference proves nothing. An
    output is right if it agrees with LiteRT's own kernels or with the Keras model. On inputs unlike
    the training data, roundings alone can take correct int8 kernels farther apart than any
    tolerance (44 of 255 steps for MLPerf Tiny's ResNet on noise). Then LiteRT's reference kernels,
    which round as TensorFlow Lite Micro does, are asked; because they share its source, and could
    share its errors, it must also be about as close to the Keras model, if there is one, as LiteRT.

    Args:
        outputs: The outputs of the file.
        reference: Runs the file on LiteRT's reference kernels, and returns one array for each
            output, or None if they do not take it. It is called only if it is needed.
        tolerance: Steps that TensorFlow Lite Micro may be away from LiteRT's own kernels or the
            model, and 0 for equality with one of them; the reference kernels are not asked then.
            None for what rounding explains: a step or .05 of the range of a quantized output, 1e-4
            of the largest float one.

    Returns:
        Dict from output to the largest difference from LiteRT, in quantization steps, or absolute
        for float outputs.

    Raises:
        ValueError: If an output of TensorFlow Lite Micro is wrong. It is named.
    """
    most = [_most(output, tolerance) for output in outputs]
    for index, (output, allowed) in enumerate(zip(outputs, most, strict=True)):
        witnesses = {"LiteRT": output.litert}
        if output.keras is not None:
            witnesses["the Keras model"] = output.keras
        if any(_agree(output.micro, array, allowed) for array in witnesses.values()):
            continue
        # A tolerance that the user gives is held against LiteRT and Keras alone, as documented.
        third = reference() if tolerance is None else None
        if (
            third is not None
            and _agree(output.micro, third[index], allowed)
            and (output.keras is None or _as_close(output, output.keras, allowed))
        ):
            continue
        differences = " and ".join(
            f"from {who} by {apart(output.micro, array).max(initial=0):g}"
            for who, array in witnesses.items()
        )
        raise ValueError(
            f"TensorFlow Lite Micro differs {differences} in output '{output.name}' of `file`, "
            f"more than rounding explains ({allowed:g}). If so much is acceptable, "
            "`kerasnas.export.verify(..., target='micro')` takes a larger `tolerance`, in steps of "
            f"{_step(output):g}"
        )
    return {
        output.name: float(apart(output.micro, output.litert).max(initial=0) / (output.step or 1.0))
        for output in outputs
    }


def _agree(one: np.ndarray, other: np.ndarray, most: float) -> bool:
    return bool((apart(one, other) <= most).all())


def _as_close(output: Output, wanted: np.ndarray, allowed: float) -> bool:
    """Returns whether TensorFlow Lite Micro is about as close to the Keras model as LiteRT is."""
    micro, litert = (
        float(np.sqrt(np.square(apart(array, wanted)).mean()))
        for array in (output.micro, output.litert)
    )
    return micro <= max(_FARTHER * litert, allowed)


def _range(output: Output) -> float:
    finite = output.litert[np.isfinite(output.litert)]
    return float(np.ptp(finite.astype("float64"))) if finite.size else 0.0


def _step(output: Output) -> float:
    if output.litert.dtype.kind != "f":
        return 1.0  # Plain integers, such as the indices of classes.
    return output.step or _range(output) / _STEPS


def _most(output: Output, tolerance: float | None) -> float:
    if tolerance is not None:
        # The floats that stand for neighbouring steps are rounded themselves.
        return 1.001 * tolerance * _step(output)
    if output.step:
        return max(1.001 * output.step, _SAME_QUANTIZED * _range(output))
    finite = np.abs(output.litert[np.isfinite(output.litert)])
    return _SAME_FLOAT * float(finite.max(initial=0))
