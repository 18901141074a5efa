"""From a trained model to the bytes of a `.tflite` file."""

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np

from kerasnas.export.refusals import check_bits, check_layers, check_shapes
from kerasnas.export.silence import silence
from kerasnas.export.tensor_names import name_after_layers
from kerasnas.export.touch_up import touch_up
from kerasnas.utils.arrays import in_batches, in_memory, listed

Quantization = Literal["float32", "float16", "dynamic", "int8", "int16x8", "int4"]
# Those that measure the ranges of activations, and what their inputs and outputs may be.
_CALIBRATED = {"int8": ("int8", "float32"), "int16x8": ("int16", "float32")}
_CHILD = Path(__file__).with_name("conversion_child.py")
# The converter leaks some megabytes a call.
_MOST_JOBS = 20
# Calibration runs the model on each sample; the ranges of activations settle long before this.
_MOST_SAMPLES = 512
_UNSUPPORTED = re.compile(r"not yet supported for op: '(\w+)'")


def to_tflite(
    model: Any,
    quantization: Quantization = "float32",
    representative_data: Any = None,
    timeout: float = 600,
    inputs: Literal["int8", "int16", "float32"] | None = None,
) -> bytes:
    """Converts a model to TensorFlow Lite.

    The model is converted for batches of one, which gives the leanest graph, in a child process:
    the converter can crash or hang, and what it prints does not reach the terminal.

    Args:
        model: Keras 3 model (any backend; it passes the bridge), or a tf_keras model, such as one
            that was trained quantization-aware.
        quantization: `"float32"`; `"float16"` (weights stored in 16 bits); `"dynamic"` (weights
            int8, activations float); `"int8"` (everything int8); `"int16x8"` (weights int8,
            activations int16: nearly the accuracy of float, on microcontrollers too) or `"int4"`
            (weights of dense and convolution layers in 4 bits, activations float: for phones;
            needs `pip install 'kerasnas[int4]'`).
        representative_data: Array, or list of arrays for several inputs, of typical inputs with
            shape (samples, ...); a dict by name; or batches of them, as a `tf.data.Dataset`.
            Needed for int8 and int16x8, from which the ranges of activations are measured, unless
            `model` was trained quantization-aware. At most 512 samples, evenly spaced, are used.
        timeout: Seconds after which the conversion is given up.
        inputs: What inputs and outputs are: `"int8"` with int8, `"int16"` with int16x8, or
            `"float32"`, for which the file rounds and unrounds them itself. None is the integer
            one where there is one.

    Returns:
        Bytes of the `.tflite` file. Inputs and outputs are in the order of `model.inputs` and
        `model.outputs`.

    Raises:
        ValueError: If an argument is not as described, or a layer cannot be converted to these
            bits: it is named, with what to use instead.
        ImportError: If `"int4"` is asked for and ai-edge-quantizer is not installed.
        RuntimeError: If the converter crashes or fails.
        TimeoutError: If it takes longer than `timeout`.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    samples = numpy.random.default_rng(0).normal(size=(64, 8, 8, 3))
    data = kerasnas.export.to_tflite(model, "int8", representative_data=samples)
    ```
    """
    if quantization not in get_args(Quantization):
        raise ValueError(
            f"`quantization` must be one of {get_args(Quantization)}. Received: {quantization!r}"
        )
    integer = _CALIBRATED.get(quantization, ("float32",))
    if inputs is not None and inputs not in integer:
        raise ValueError(
            f"`inputs` must be one of {integer}, or None, for quantization={quantization!r}. "
            f"Received: inputs={inputs!r}"
        )
    check_bits(quantization)
    if not (hasattr(model, "inputs") and hasattr(model, "outputs")):
        raise ValueError(f"`model` must be a Keras model. Received: {type(model)}")
    check_shapes(model)
    is_keras_3 = isinstance(model, keras.Model)
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
        from kerasnas.compression.bridge import measurable, rebuild

        model = rebuild(model, measurable if quantization in _CALIBRATED else None)
    job = {"quantization": quantization, "ends": inputs or integer[0]}
    data, _ = convert_in_child(
        model, job, samples if quantization in _CALIBRATED else None, timeout
    )
    return data


def convert_in_child(
    model: Any, job: dict[str, Any], samples: list[np.ndarray] | None, timeout: float
) -> tuple[bytes, list[dict[str, Any]]]:
    """Hands a conversion to the child process.

    Args:
        model: tf_keras model.
        job: What is asked for; see `conversion_child`.
        samples: Typical inputs, one array for each, or None.
        timeout: Seconds after which the conversion is given up.

    Returns:
        Tuple of the file and the errors of its layers, empty if none were asked for.

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
            np.savez(folder / "samples.npz", *samples)
        _run_child(folder, timeout)
        errors = folder / "errors.json"
        data = touch_up((folder / "model.tflite").read_bytes())
        data = name_after_layers(data, _layer_names(model))
        return data, json.loads(errors.read_text()) if errors.exists() else []


def _trained_quantized(model: Any) -> bool:
    return any(_wrapped(layer) for layer in model.layers)


def _wrapped(layer: Any) -> bool:
    return type(layer).__name__.startswith("QuantizeWrapper")


def _layer_names(model: Any) -> dict[str, str]:
    """Names of the layers, without what quantization-aware training puts before them."""
    return {layer.name: (layer.layer if _wrapped(layer) else layer).name for layer in model.layers}


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
    ranks = [len(tensor.shape) for tensor in model.inputs]
    names = [tensor.name for tensor in model.inputs]
    arrays = listed("representative_data", data, ranks, names)
    checked: list[np.ndarray] = []
    for index, (array, tensor) in enumerate(zip(arrays, model.inputs, strict=True)):
        where = f"`representative_data` for input {index}"
        expected = tuple(tensor.shape)[1:]
        fits = array.ndim == len(expected) + 1 and all(
            want is None or want == have
            for want, have in zip(expected, array.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"{where} must have shape {('samples', *expected)}. Received: shape {array.shape}"
            )
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


def _write_job(folder: Path, model: Any, job: dict[str, Any]) -> None:
    import tensorflow as tf

    several = len(model.inputs) > 1

    # The converter sorts inputs and outputs by these names. A SavedModel, not a frozen graph:
    # freezing inlines the LSTM function that the converter replaces by one fused operator.
    def inference(*inputs: Any) -> dict[str, Any]:
        outputs = model(list(inputs) if several else inputs[0], training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {f"output_{index:03}": output for index, output in enumerate(outputs)}

    specs = [
        tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype, name=f"input_{index:03}")
        for index, tensor in enumerate(model.inputs)
    ]
    module = tf.Module()
    module.kept = model.variables
    with silence():
        function = tf.function(inference, autograph=False).get_concrete_function(*specs)
        tf.saved_model.save(module, str(folder / "model"), signatures=function)
    (folder / "job.json").write_text(json.dumps(job))


def _run_child(folder: Path, timeout: float) -> None:
    answer = _CONVERTER.run(folder, timeout)
    log = folder / "log.txt"
    said = _last_lines(log.read_bytes() if log.exists() else b"")
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
    if answer != "done":
        raise RuntimeError(
            f"The TensorFlow Lite converter {answer}. Another `quantization` may work, or other "
            f"layers. It said last:\n{said}"
        )


class _Converter:
    """A child process that converts one model after another, replaced when it ends or is late.

    Importing TensorFlow takes longer than most conversions, so the child is kept.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._jobs = 0
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def run(self, folder: Path, timeout: float) -> str:
        """Converts the job in a folder.

        Args:
            folder: As `conversion_child.py` describes it.
            timeout: Seconds.

        Returns:
            "done", "failed", "late", or how the child ended.
        """
        with self._lock:
            child = self._ready()
            answers: list[str] = []
            reader = threading.Thread(
                target=lambda: answers.append(child.stdout.readline() if child.stdout else ""),
                daemon=True,
            )
            try:
                if child.stdin:
                    with contextlib.suppress(BrokenPipeError):  # It ended; so says the answer.
                        child.stdin.write(f"{folder}\n")
                        child.stdin.flush()
                reader.start()
                reader.join(timeout)
                if answers and answers[0]:
                    self._jobs += 1
                    return answers[0].strip()
                late = reader.is_alive()
            except BaseException:
                self.close()
                raise
            if late:
                self.close()
                return "late"
            status = child.wait()
            self.close()
            if status < 0:
                return f"crashed ({signal.Signals(-status).name})"
            return f"failed (exit status {status})"

    def close(self) -> None:
        """Ends the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self._child, self._jobs = None, 0

    def _ready(self) -> "subprocess.Popen[str]":
        if self._owner != os.getpid():  # A fork must not share the pipes.
            self._child, self._owner = None, os.getpid()
        if self._child is None or self._child.poll() is not None or self._jobs >= _MOST_JOBS:
            self.close()
            # -P keeps the script's folder out of sys.path; a converter needs no GPU.
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(_CHILD)],
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._child


_CONVERTER = _Converter()
atexit.register(_CONVERTER.close)


def _last_lines(output: bytes) -> str:
    lines = [line.rstrip() for line in output.decode(errors="replace").splitlines()]
    return "\n".join([f"  {line}" for line in lines if line][-12:]) or "  (nothing)"
