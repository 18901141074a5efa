"""Whether a file computes what its model computes: each one made here is run and compared."""

import textwrap
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas.bridge.precision import in_float32
from kerasnas.data.arrays import packed
from kerasnas.export.agreement import Ran, compare_on_micro
from kerasnas.export.differences import difference, lost_values
from kerasnas.export.micro import Target, run_on_micro
from kerasnas.export.origins import refused_by
from kerasnas.export.ranges import blown_up, crushed
from kerasnas.runtime.child import Child
from kerasnas.tflite.inspection import output_steps
from kerasnas.tflite.isolated_runner import RUNNER, run_file
from kerasnas.tflite.reader import TFLiteFile

# How many samples are compared: enough to tell a wrong file from a rounded one.
_COMPARED = 32
_RUNNER = Child(RUNNER)
# How far an output may be from the model's, as a share of its spread over the samples: beyond the
# first a warning, beyond the second an error. The third is what the bits of weights alone explain,
# as a share of the largest value.
_LIMITS = {
    "float32": (0.005, 0.05, 0.001),
    "float16": (0.05, 0.3, 0.004),
    "dynamic": (0.3, 0.7, 0.016),
    "int16x8": (0.2, 0.6, 0.016),
    "int8": (0.3, 0.7, 0.016),
    "int4": (0.5, 0.9, 0.1),
}
# Below the first share, branches that share a scale are not mentioned. If a branch is lost, only a
# difference beyond the second share, which is worse than a constant, is an error.
_NOTICED, _UNRELATED = 0.1, 1.2


class WrongFileError(RuntimeError):
    """The converter returned a file that does not do what its model does.

    Args:
        message: What differs.
        tflite: The file, for a look at it.
    """

    def __init__(self, message: str, tflite: bytes) -> None:
        super().__init__(message)
        self.tflite = tflite


class _Seen(NamedTuple):
    """What a file makes of samples, and what it should make of them.

    Args:
        samples: One array for each input.
        wanted: What the model gives, one array for each output.
        found: What the file gives.
        steps: The size of a quantization step in each output; 0 for those in floating point.
    """

    samples: list[np.ndarray]
    wanted: list[np.ndarray]
    found: list[np.ndarray]
    steps: list[float]


def check_file(
    file: TFLiteFile,
    quantization: str,
    model: Any,
    rebuilt: Any,
    samples: list[np.ndarray] | None,
    timeout: float,
    target: Target = "litert",
) -> None:
    """Runs a file, and compares it with its model.

    Args:
        file: The file.
        quantization: As in `to_tflite`.
        model: The Keras 3 or tf_keras model that it was made from.
        rebuilt: The tf_keras model that was converted.
        samples: Typical inputs, one array for each; None for random ones.
        timeout: Seconds.
        target: The runtime that it is made for.

    Raises:
        WrongFileError: If LiteRT or the target cannot run it, or an output has next to nothing to
            do with the model's.
    """
    named = f"The {quantization} file of '{model.name}'"
    seen = _see(named, file, model, rebuilt, samples, timeout)
    if seen is None:
        return
    _judge(named, file, quantization, seen, rebuilt)
    if target == "micro":
        _hold_against_micro(named, file, seen, rebuilt, timeout)


def check_on_micro(
    file: TFLiteFile, model: Any, samples: list[np.ndarray], timeout: float = 600
) -> None:
    """Runs a file on TensorFlow Lite Micro, and compares it with its model and with LiteRT.

    Args:
        file: The file.
        model: The tf_keras model that was converted.
        samples: Typical inputs, one array for each.
        timeout: Seconds for each run.

    Raises:
        WrongFileError: If it does not run there, with operator and layer, or computes something
            else.
    """
    named = f"The file of '{model.name}'"
    seen = _see(named, file, model, model, samples, timeout)
    if seen is not None:
        _hold_against_micro(named, file, seen, model, timeout)


def _see(
    named: str,
    file: TFLiteFile,
    model: Any,
    rebuilt: Any,
    samples: list[np.ndarray] | None,
    timeout: float,
) -> _Seen | None:
    """Runs a file and its model; None, after a warning, where random inputs do not suit them."""
    chosen = _random(rebuilt) if samples is None else samples
    picked = np.unique(np.linspace(0, len(chosen[0]) - 1, _COMPARED).astype(int))
    chosen = [array[picked] for array in chosen]
    try:
        wanted = _outputs(model, chosen)
    except Exception as error:
        if samples is not None:
            raise
        warnings.warn(
            f"{named} was not compared with the model, which does not take random inputs: pass "
            f"`representative_data`. {textwrap.shorten(str(error), 200)}",
            stacklevel=5,
        )
        return None
    try:
        found = run_file(file, chosen, "litert", timeout, _RUNNER)
    except (ValueError, RuntimeError) as error:
        layer = refused_by(str(error), file, rebuilt)
        raise WrongFileError(
            f"{named} does not run" + f", because of {layer}" * bool(layer) + f". {error}",
            file.data,
        ) from error
    return _Seen(chosen, wanted, found, output_steps(file))


def _judge(named: str, file: TFLiteFile, quantization: str, seen: _Seen, rebuilt: Any) -> None:
    """Warns of a file that is off, and refuses one that is wrong; names layers that are why."""
    warned, refused, explained = _LIMITS[quantization]
    ends = list(zip(seen.wanted, seen.found, seen.steps, strict=True))
    off = [difference(*end, explained) for end in ends]
    quantized, several = any(seen.steps), len(off) > 1
    branches = crushed(rebuilt, seen.samples) if quantized and max(off) > _NOTICED else []
    far = [
        (f"{share:.0%}" if np.isfinite(share) else "NaN or infinity")
        + f" in output {place}" * several
        for place, share in enumerate(off)
        if not share <= warned
    ]
    lost = [
        f"values {', '.join(map(str, places))}" + f" of output {output}" * several
        for output, end in enumerate(ends)
        if (places := lost_values(*end))
    ]
    message = f"{named} differs from the model"
    if far:
        message += f" by {', '.join(far)} of its spread over {len(seen.samples[0])} samples"
    if branches:
        message += ". 8 bits lose what is small beside the rest: " + "; ".join(branches)
    if not max(off) <= (_UNRELATED if branches else refused):
        large = blown_up(rebuilt, seen.samples) if quantized else []
        if large:
            message += f". In the range of these layers all else is lost: {', '.join(large)}"
        raise WrongFileError(
            f"{message}. That is next to another function: the model cannot be used in "
            f"these bits, or its conversion is wrong. {_WAYS_OUT[quantization]}",
            file.data,
        )
    if far or branches:
        warnings.warn(f"{message}. {_WAYS_OUT[quantization]}", stacklevel=5)
    elif lost:
        warnings.warn(
            f"{named} loses {'; '.join(lost)}: they vary by little more than the step that "
            "all values of an output share in 8 bits. Scale targets to the same size around 0, or "
            "give such values an output of their own",
            stacklevel=5,
        )


def _hold_against_micro(
    named: str, file: TFLiteFile, seen: _Seen, rebuilt: Any, timeout: float
) -> None:
    """Refuses a file that TensorFlow Lite Micro does not run, or runs to another result."""
    names = [tensor.node.layer.name for tensor in rebuilt.outputs]
    try:
        micro = run_on_micro(file, seen.samples, timeout, _RUNNER, rebuilt)
        compare_on_micro(file, seen.samples, names, Ran(micro, seen.found, seen.wanted), timeout)
    except ValueError as error:
        raise WrongFileError(
            f"{named} does not suit target='micro'. {error}. Use other layers or another "
            "`quantization`, or target='litert'",
            file.data,
        ) from error


_QUANTIZED = (
    "`kerasnas.export.quantization_errors` ranks its layers; 'int16x8' and 'float16' are more "
    "accurate, and so may be more typical samples, BatchNormalization, or training with "
    "Quantize('int8')."
)
_WEIGHTS = "'float16' and 'float32' are more accurate."
_REPORT = "Please report the model, and use another `quantization` until then."
_WAYS_OUT = {
    "float32": _REPORT,
    "float16": "Weights or activations may be too large for 16 bits; 'float32' has no such limit.",
    "dynamic": _WEIGHTS,
    "int16x8": _WEIGHTS,
    "int8": _QUANTIZED,
    "int4": _WEIGHTS,
}


def _outputs(model: Any, samples: list[np.ndarray]) -> list[np.ndarray]:
    """Returns what a Keras 3 or tf_keras model makes of samples, one array for each output."""
    is_keras_3 = isinstance(model, keras.Model)
    if is_keras_3:
        model = in_float32(model)
    count = len(samples[0])
    size = model.inputs[0].shape[0] or count
    parts = []
    for start in range(0, count, size):
        # A model whose batch is fixed takes no smaller one.
        batch: Any = [
            np.resize(array[start : start + size], (size, *array.shape[1:])) for array in samples
        ]
        if is_keras_3:
            batch = packed(batch, model)
        elif len(batch) == 1:
            (batch,) = batch
        made = model(batch, training=False)
        parts.append([np.array(keras.ops.convert_to_numpy(x)) for x in keras.tree.flatten(made)])
    return [np.concatenate(arrays)[:count] for arrays in zip(*parts, strict=True)]


def _random(model: Any) -> list[np.ndarray]:
    """Returns random inputs of a tf_keras model, with indices within the tables that read them."""
    rng = np.random.default_rng(0)
    arrays = []
    for tensor in model.inputs:
        shape = (_COMPARED, *tensor.shape[1:])
        readers = [node.layer for node in tensor.node.layer.outbound_nodes]
        readers = [getattr(layer, "layer", layer) for layer in readers]  # of a wrapper
        sizes = [getattr(r, "input_dim", getattr(r, "num_tokens", None)) for r in readers]
        bounds = [size for size in sizes if size is not None]
        if bounds:
            values: np.ndarray = rng.integers(0, min(bounds), shape)
        elif tensor.dtype.is_floating:
            values = rng.standard_normal(shape)
        else:
            values = rng.integers(0, 2 if tensor.dtype == "bool" else 128, shape)
        arrays.append(values.astype(tensor.dtype.as_numpy_dtype))
    return arrays
