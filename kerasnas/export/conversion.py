"""From a trained model to the bytes of a `.tflite` file."""

import json
import re
import tempfile
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np

from kerasnas.bridge import measurable, rebuild
from kerasnas.data.arrays import in_batches, in_memory, inputs_in_order
from kerasnas.export.fidelity import check_file
from kerasnas.export.limitations import check_bits, check_indices, check_layers
from kerasnas.export.micro import Target, check_target
from kerasnas.export.origins import in_float, without_form
from kerasnas.keras_models.shapes import check_shapes, fits
from kerasnas.runtime.arguments import check_choice
from kerasnas.runtime.child import Child
from kerasnas.runtime.silence import silence
from kerasnas.tflite.converter_fixes import end_names, fix_converted_file
from kerasnas.tflite.reader import TFLiteFile
from kerasnas.tflite.reversals import rescale_reversed
from kerasnas.tflite.tensor_names import name_after_layers

Quantization = Literal["float32", "float16", "dynamic", "int8", "int16x8", "int4"]
# The quantizations that measure ranges of activations, with the allowed types of inputs and
# outputs.
_CALIBRATED = {"int8": ("int8", "float32"), "int16x8": ("int16", "float32")}
_CHILD = Path(__file__).with_name("conversion_child.py")
# Calibration runs the model on each sample; the ranges of activations settle long before this.
_MOST_SAMPLES = 512
_LONGEST_LINE = 200  # The converter's log holds whole graphs, one node a line.
_UNSUPPORTED = re.compile(r"not yet supported for op: '(\w+)'")


def to_tflite(
    model: Any,
    quantization: Quantization = "float32",
    representative_data: Any = None,
    timeout: float = 600,
    inputs: Literal["int8", "int16", "float32"] | None = None,
    target: Target = "litert",
) -> bytes:
    """Converts a model to TensorFlow Lite.

    The model is converted for batches of one, which gives the leanest graph, in a child process:
    the converter can crash or hang, and what it prints does not reach the terminal. The file is
    then run by LiteRT on 32 samples, and compared with the model: a difference beyond what the
    bits explain is a warning, and so are operators that stay in floating point.

    Args:
        model: Keras 3 model (any backend; it passes the bridge), or a tf_keras model, such as one
            that was trained quantization-aware.
        quantization: `"float32"`; `"float16"` (weights stored in 16 bits); `"dynamic"` (weights
            int8, activations float); `"int8"` (everything int8); `"int16x8"` (weights int8,
            activations int16: nearly the accuracy of float, on microcontrollers too) or `"int4"`
            (weights of dense and convolution layers in 4 bits, activations float: for phones;
            needs `pip install 'kerasnas[int4]'`).
        representative_data: Array, or list of arrays for several inputs, of typical inputs with
            shape (samples, ...); a dict by name; what `model` itself takes; or batches of them, as
            a `tf.data.Dataset`. Needed for int8 and int16x8, from which the ranges of activations
            are measured, unless `model` was trained quantization-aware. At most 512 samples, evenly
            spaced, are used. The file is compared with the model on them, or on random inputs.
        timeout: Seconds after which the conversion is given up.
        inputs: What inputs and outputs are: `"int8"` with int8, `"int16"` with int16x8, or
            `"float32"`, for which the file rounds and unrounds them itself. None is the integer
            one where there is one.
        target: The runtime that the file is for, as in `verify`: `"litert"` (phones), or `"micro"`,
            for which TensorFlow Lite Micro runs the file, too, as in `verify`, and operators that
            cannot run there are named (needs `pip install 'kerasnas[micro]'`).

    Returns:
        Bytes of the `.tflite` file. Inputs and outputs are in the order of `model.inputs` and
        `model.outputs`. In int8 and int16x8, pixels of uint8 that are rescaled are inputs of these
        bits, too, and indices in floats that only an Embedding reads are of int32.

    Raises:
        ValueError: If an argument is not as described, or a layer cannot be converted to these
            bits: it is named, with what to use instead.
        ImportError: If `"int4"` is asked for and ai-edge-quantizer is not installed, or the target
            `"micro"` and tflite-micro is not.
        RuntimeError: If the converter crashes or fails.
        WrongFileError: If the file does not run, on LiteRT or on its target, or hardly computes
            what its model computes.
        TimeoutError: If it takes longer than `timeout`.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    samples = numpy.random.default_rng(0).normal(size=(64, 8, 8, 3))
    data = kerasnas.export.to_tflite(model, "int8", representative_data=samples)
    ```
    """
    return convert(model, quantization, representative_data, timeout, inputs, target).data


def convert(
    model: Any,
    quantization: Quantization = "float32",
    representative_data: Any = None,
    timeout: float = 600,
    inputs: Literal["int8", "int16", "float32"] | None = None,
    target: Target = "litert",
) -> TFLiteFile:
    """Converts a model as `to_tflite` does, for those that go on with the parsed file.

    Arguments and errors are those of `to_tflite`.

    Returns:
        The file parsed.
    """
    check_choice("quantization", quantization, get_args(Quantization))
    integer = _CALIBRATED.get(quantization, ("float32",))
    hint = f", for quantization={quantization!r}"
    check_choice("inputs", inputs, integer, optional=True, hint=hint)
    check_bits(quantization)
    check_target(target)
    if not (hasattr(model, "inputs") and hasattr(model, "outputs")):
        raise ValueError(f"`model` must be a Keras model. Received: {type(model)}")
    check_shapes(model)
    is_keras_3, given = isinstance(model, keras.Model), model
    samples = None
    if representative_data is not None:
        samples = representative_samples(model, representative_data)
    elif quantization == "int16x8" or (
        quantization == "int8" and (is_keras_3 or not _trained_quantized(model))
    ):
        raise ValueError(
            f"`representative_data` is needed for quantization={quantization!r}: pass some "
            "training inputs. Received: None"
        )
    if is_keras_3:
        model = rebuild(model, measurable if quantization in _CALIBRATED else None)
    job = {"quantization": quantization, "ends": inputs or integer[0]}
    calibrates = quantization in _CALIBRATED and not (quantization == "int8" and _ranged(model))
    if samples is not None:
        check_indices(model, samples)
    if samples is not None and calibrates:
        warn_of_constants(model, samples)
    file, _ = convert_in_child(model, job, samples if calibrates else None, timeout)
    check_file(file, quantization, given, model, samples, timeout, target)
    floats = in_float(file, model) if quantization in _CALIBRATED else []
    if floats:
        warnings.warn(
            f"The {quantization} file of '{given.name}' computes in floating point: "
            f"{', '.join(floats)}. It is larger and slower than it could be, and runs on no device "
            "that has integers only: replace these layers, or use quantization='dynamic'",
            stacklevel=3,
        )
    return file


def convert_in_child(
    model: Any, job: dict[str, Any], samples: list[np.ndarray] | None, timeout: float
) -> tuple[TFLiteFile, list[dict[str, Any]]]:
    """Hands a conversion to the child process.

    Args:
        model: tf_keras model.
        job: What is asked for; see `conversion_child`.
        samples: Typical inputs, one array for each, or None.
        timeout: Seconds after which the conversion is given up.

    Returns:
        Tuple of the file parsed and the errors of its layers, empty if none were asked for.

    Raises:
        ValueError: If a layer cannot be converted to these bits.
        RuntimeError: If the converter crashes or fails.
        TimeoutError: If it takes longer than `timeout`.
    """
    check_layers(model, job["quantization"])
    with tempfile.TemporaryDirectory(prefix="kerasnas-") as name:
        folder = Path(name)
        _write_job(folder, model, job)
        if samples is not None:
            read = (_as_read(*pair) for pair in zip(samples, model.inputs, strict=True))
            named: dict[str, Any] = dict(zip(end_names("input", len(samples)), read, strict=True))
            np.savez(folder / "samples.npz", **named)
        _run_child(folder, timeout, [layer.name for layer in model.layers])
        errors = folder / "errors.json"
        data = rescale_reversed(fix_converted_file((folder / "model.tflite").read_bytes()))
        # Without the prefix that quantization-aware training gives to the names.
        names = {one.name: (one.layer if _wrapped(one) else one).name for one in model.layers}
        file = TFLiteFile(name_after_layers(data, names))
        return file, json.loads(errors.read_text()) if errors.exists() else []


def _as_read(array: np.ndarray, tensor: Any) -> np.ndarray:
    """Samples of an input in the dtype that the tf_keras model reads."""
    if array.dtype == np.uint8 and tensor.dtype.is_floating:
        # The samples get 0 and 255 among them, so that the step is 1 and no pixel is rounded.
        array = array.copy()
        array.flat[0], array.flat[-1] = 0, 255
    return array.astype(tensor.dtype.as_numpy_dtype)


def _trained_quantized(model: Any) -> bool:
    return any(_wrapped(layer) for layer in model.layers)


def _wrapped(layer: Any) -> bool:
    return type(layer).__name__.startswith("QuantizeWrapper")


def _ranged(model: Any) -> bool:
    """Returns whether training has measured the ranges of all layers."""
    own = ("InputLayer", "QuantizeLayer")
    return _trained_quantized(model) and all(
        _wrapped(layer) or type(layer).__name__ in own for layer in model.layers
    )


def representative_samples(model: Any, data: Any) -> list[np.ndarray]:
    """Checks data against a model's inputs and thins it out.

    Args:
        model: Keras 3 or tf_keras model.
        data: As `to_tflite` takes it.

    Returns:
        At most 512 samples, one array for each input.

    Raises:
        ValueError: If the data does not fit.
    """
    if in_batches(data):
        data = in_memory("representative_data", (data, None, None))[0]
    arrays = inputs_in_order("representative_data", data, model)
    checked: list[np.ndarray] = []
    for index, (array, tensor) in enumerate(zip(arrays, model.inputs, strict=True)):
        where = f"`representative_data` for input {index}"
        if not fits(array, tensor):
            wanted = ("samples", *tuple(tensor.shape)[1:])
            raise ValueError(f"{where} must have shape {wanted}. Received: shape {array.shape}")
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{where} must hold numbers. Received: dtype {array.dtype}")
        if len(array) == 0:
            raise ValueError(f"{where} must hold at least one sample. Received: none")
        if len(array) != len(checked[0] if checked else array):
            raise ValueError(
                f"`representative_data` must have as many samples for every input. Received: "
                f"{len(checked[0])} for input 0, {len(array)} for input {index}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{where} must be finite. Received: NaN or infinity in it")
        checked.append(array)
    picked = np.unique(np.linspace(0, len(checked[0]) - 1, _MOST_SAMPLES).astype(int))
    return [
        array[picked].astype(keras.backend.standardize_dtype(tensor.dtype))
        for array, tensor in zip(checked, model.inputs, strict=True)
    ]


def warn_of_constants(model: Any, samples: list[np.ndarray]) -> None:
    """Warns of typical inputs that are none, from which ranges would be measured all the same.

    Args:
        model: tf_keras model.
        samples: One array for each input.
    """
    told = [
        f"holds {array.flat[0]:g} everywhere in input '{tensor.node.layer.name}'"
        for array, tensor in zip(samples, model.inputs, strict=True)
        if (array == array.flat[0]).all()
    ]
    if not told and len(samples[0]) > 1 and all((a == a[:1]).all() for a in samples):
        told = [f"holds the same sample {len(samples[0])} times"]
    if told:
        warnings.warn(
            f"`representative_data` {', and '.join(told)}: the ranges of activations are measured "
            "from it, and what real inputs are beyond them is cut off. Pass typical inputs, such "
            "as 100 of those that the model was trained with",
            stacklevel=4,
        )


def _write_job(folder: Path, model: Any, job: dict[str, Any]) -> None:
    import tensorflow as tf

    # The converter sorts inputs and outputs by these names. A SavedModel, not a frozen graph:
    # freezing inlines the LSTM function that the converter replaces by one fused operator.
    def inference(*inputs: Any) -> dict[str, Any]:
        outputs = tf.nest.flatten(
            model(tf.nest.pack_sequence_as(model.input, inputs), training=False)
        )
        return dict(zip(end_names("output", len(outputs)), outputs, strict=True))

    names = end_names("input", len(model.inputs))
    specs = [
        tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype, name=name)
        for name, tensor in zip(names, model.inputs, strict=True)
    ]
    module = tf.Module()
    module.kept = model.variables
    with silence():
        function = tf.function(inference, autograph=False).get_concrete_function(*specs)
        tf.saved_model.save(module, str(folder / "model"), signatures=function)
    (folder / "job.json").write_text(json.dumps(job))


def _run_child(folder: Path, timeout: float, layers: Collection[str] = ()) -> None:
    answer = _CONVERTER.run(folder, timeout)
    file = folder / "log.txt"
    log = file.read_text(errors="replace") if file.exists() else ""
    lines = [f"  {line.rstrip()[:_LONGEST_LINE]}" for line in log.splitlines() if line.strip()]
    said = "\n".join(lines[-12:]) or "  (nothing)"
    if answer == "late":
        raise TimeoutError(
            f"The TensorFlow Lite converter did not finish in `timeout`={timeout} seconds. "
            f"It said last:\n{said}"
        )
    unsupported = _UNSUPPORTED.search(said)
    if answer == "failed" and unsupported:
        raise ValueError(
            f"The TensorFlow Lite converter has no int16x8 form of {unsupported[1]}. "
            "quantization='int8', 'float16', 'dynamic' and 'float32' may work, or other layers"
        )
    missing = without_form(log, layers)
    if answer == "failed" and missing:
        raise ValueError(
            f"TensorFlow Lite has no operator for {', '.join(missing)}. Replace these layers, or "
            "do what they do outside of the model"
        )
    if answer != "done":
        raise RuntimeError(
            f"The TensorFlow Lite converter {answer}. Another `quantization` may work, or other "
            f"layers. It said last:\n{said}"
        )


_CONVERTER = Child(_CHILD)
