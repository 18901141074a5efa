"""The child process that runs TensorFlow Lite's converter.

It is a process of its own because the converter can end it (SIGSEGV and SIGABRT in the int8
calibration of some layers), can hang, and leaks memory on every call. It is run as a file, so that
it imports TensorFlow and, of this package, the loop that serves jobs alone.

It reads folders from its standard input, one a line, and answers each with a line. A folder holds
`model` (a SavedModel whose one signature has a batch of one), `job.json` (`quantization`, and
`ends`, the dtype of inputs and outputs) and, for activations rounded after training,
`samples.npz`, an array for each input by its name in the signature: the converter lists inputs in
an order of its own. `model.tflite` is written into it, and what the converter says to
`log.txt`. With `float_layers` in the job, a number or names, these layers stay in floating point,
and `errors.json` says what rounding does to each; `layers` are the names of the model's layers,
and `outputs` of those that write what leaves the model, whose tensors have no name of their own.
"""

import csv
import io
import itertools
import json
import runpy
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

# The errors of layers are measured on so many samples: few are enough, and each runs twice.
_DEBUGGED = 64


def convert(folder: Path) -> None:
    """Converts the graph in a folder.

    Args:
        folder: Folder with the files named above.
    """
    import tensorflow as tf

    job = json.loads((folder / "job.json").read_text())
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / "model"), signature_keys=["serving_default"]
    )
    if job["quantization"] not in ("float32", "int4"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job["quantization"] == "float16":
        converter.target_spec.supported_types = [tf.float16]
    converter.inference_input_type = tf.as_dtype(job["ends"])
    converter.inference_output_type = tf.as_dtype(job["ends"])
    if (folder / "samples.npz").exists():
        with np.load(folder / "samples.npz") as file:
            samples = dict(file)
        count = len(next(iter(samples.values())))

        def one_at_a_time() -> Iterator[dict[str, Any]]:
            for index in range(count):
                yield {name: sample[index : index + 1] for name, sample in samples.items()}

        converter.representative_dataset = one_at_a_time
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8
            if job["quantization"] == "int8"
            else tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if "float_layers" in job:
        data, errors = _mixed(converter, job)
        (folder / "errors.json").write_text(json.dumps(errors))
    else:
        data = converter.convert()
    if job["quantization"] == "int4":
        from ai_edge_quantizer import quantizer, recipe

        made = quantizer.Quantizer(data, recipe.dynamic_wi4_afp32())
        data = bytes(made.quantize().quantized_model)
    (folder / "model.tflite").write_bytes(data)


def _mixed(converter: Any, job: dict[str, Any]) -> tuple[bytes, list[dict[str, Any]]]:
    """Quantizes all but some layers; also gives what rounding does to each, the worst first."""
    import tensorflow as tf

    options = tf.lite.experimental.QuantizationDebugOptions
    samples = converter.representative_dataset

    def rounded() -> Iterator[list[Any]]:
        # The debugger itself rounds only where a zero point is not 0 (TensorFlow 2.21).
        interpreter = debugger._quant_interpreter
        name_of = {tensor: name for name, tensor in _signature(interpreter)["inputs"].items()}
        ends = [
            (name_of[detail["index"]], detail["dtype"], *detail["quantization"])
            for detail in interpreter.get_input_details()
        ]
        for arrays in itertools.islice(samples(), _DEBUGGED):
            yield [
                np.clip(np.round(arrays[name] / scale) + zero, -128, 127).astype(dtype)
                if scale
                else arrays[name].astype(dtype)
                for name, dtype, scale, zero in ends
            ]

    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=rounded, debug_options=options(fully_quantize=True)
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    interpreter = debugger._quant_interpreter
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    written = [tensor for _, tensor in sorted(_signature(interpreter)["outputs"].items())]
    leaving = dict(zip(written, job["outputs"], strict=True))
    errors = [
        {
            "layer": leaving.get(tensor) or layer_of(names[tensor], job["layers"]),
            "operator": row["op_name"],
            "steps": float(row["mean_squared_error"]) ** 0.5 / float(row["scale"]),
            "tensor": row["tensor_name"],
        }
        for row in csv.DictReader(io.StringIO(table.getvalue()))
        for tensor in [int(row["tensor_idx"])]
        if float(row["scale"])
    ]
    errors.sort(key=lambda error: -error["steps"])
    found = list(dict.fromkeys(error["layer"] for error in errors))
    chosen = job["float_layers"]
    chosen = found[:chosen] if isinstance(chosen, int) else chosen
    kept = [error["tensor"] for error in errors if error["layer"] in chosen]
    # The debugger's table lists outputs without the number in their names, so they are added here.
    kept += [names[tensor] for tensor, layer in leaving.items() if layer in chosen]
    if set(found) <= set(chosen):
        kept = []  # The debugger fails if nothing is left to quantize; the caller refuses that.
    debugger.options = options(fully_quantize=True, denylisted_nodes=kept)
    return debugger.get_nondebug_quantized_model(), errors


def _signature(interpreter: Any) -> dict[str, dict[str, int]]:
    """Returns the tensors of inputs and outputs by their names."""
    return interpreter._get_full_signature_list()["serving_default"]


def layer_of(name: str, layers: Collection[str]) -> str:
    """Returns the layer in the name of a tensor or of an operator.

    Args:
        name: Such as "model/dense/MatMul;model/dense/BiasAdd".
        layers: Names of the model's layers.

    Returns:
        Name of the layer, or the whole name if it holds none.
    """
    # If other operators are fused into one, the last name is that of the operator itself.
    for part in reversed(name.split(";")):
        known = [scope for scope in part.split("/") if scope in layers]
        if known and "ReadVariableOp" not in part:
            return str(known[-1])
    return name


if __name__ == "__main__":
    runner = runpy.run_path(str(Path(__file__).parents[1] / "tflite" / "runner.py"))
    runner["serve"](convert, traceback.print_exception)
