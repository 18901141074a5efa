"""What 8 bits do to each layer, and files in which the worst layers stay in floating point."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.bridge import measurable, rebuild
from kerasnas.export.conversion import convert_in_child, representative_samples, warn_of_constants
from kerasnas.export.fidelity import check_file
from kerasnas.export.limitations import check_indices
from kerasnas.export.micro import Target, check_target
from kerasnas.keras_models.shapes import check_shapes
from kerasnas.runtime.arguments import check_integer
from kerasnas.tflite.reader import TFLiteFile


def quantization_errors(
    model: Any, representative_data: Any, timeout: float = 600
) -> list[dict[str, Any]]:
    """Ranks the layers of a model by the error that int8 causes in each.

    Every quantized operator is compared with a float one that reads the same values.

    Args:
        model: Keras 3 or tf_keras model.
        representative_data: Typical inputs, as for `to_tflite`.
        timeout: Seconds after which it is given up.

    Returns:
        One dict for each operator, the worst first: `layer`, `operator`, `tensor` (that it writes)
        and `steps`, the root mean square error in steps of the output's scale. Rounding alone
        gives about 0.29; far more than that is an operator that 8 bits do not suit.

    Raises:
        ValueError: If the data does not fit the model, or a layer has no int8 form.

    Source:
        TensorFlow Lite's quantization debugger
        (tensorflow.org/lite/performance/quantization_debugger).

    Example:

    ```python
    for error in kn.export.quantization_errors(model, x_train)[:3]:
        print(error["layer"], error["operator"], error["steps"])
    ```
    """
    samples = representative_samples(model, representative_data)
    return _mixed(model, samples, 0, timeout)[1]


def to_mixed_tflite(
    model: Any,
    representative_data: Any,
    float_layers: int | Sequence[str],
    timeout: float = 600,
    target: Target = "litert",
) -> tuple[bytes, list[str]]:
    """Converts a model to int8, except for some layers.

    Args:
        model: Keras 3 or tf_keras model.
        representative_data: Typical inputs, as for `to_tflite`.
        float_layers: How many of the worst layers by `quantization_errors` stay in floating point,
            or the names of those that do.
        timeout: Seconds after which the conversion is given up.
        target: The runtime that the file is for, as in `to_tflite`.

    Returns:
        Tuple of the file, whose inputs and outputs are int8, and the names of the float layers.

    Raises:
        ValueError: If an argument is not as described, or a layer has no int8 form.
        ImportError: If the target is `"micro"` and tflite-micro is not installed.
        WrongFileError: If the file does not run, on LiteRT or on its target, or hardly computes
            what its model computes.
    """
    file, names = convert_mixed(model, representative_data, float_layers, timeout, target)
    return file.data, names


def convert_mixed(
    model: Any,
    representative_data: Any,
    float_layers: int | Sequence[str],
    timeout: float = 600,
    target: Target = "litert",
) -> tuple[TFLiteFile, list[str]]:
    """Converts a model as `to_mixed_tflite` does, for those that go on with the parsed file.

    Arguments and errors are those of `to_mixed_tflite`.

    Returns:
        Tuple of the file parsed and the names of the float layers.
    """
    if isinstance(float_layers, int):
        check_integer("float_layers", float_layers, least=0, hint=", or a list of names")
    check_target(target)
    wanted = float_layers if isinstance(float_layers, int) else list(float_layers)
    samples = representative_samples(model, representative_data)
    file, errors, rebuilt = _mixed(model, samples, wanted, timeout)
    found = list(dict.fromkeys(error["layer"] for error in errors))
    chosen = found[:wanted] if isinstance(wanted, int) else wanted
    if set(found) <= set(chosen):
        raise ValueError(
            f"`float_layers` must leave a layer in 8 bits: the file has {len(found)}. For floats "
            f"throughout use to_tflite(model, 'float32'). Received: {float_layers!r}"
        )
    unknown = [name for name in chosen if name not in found]
    if unknown:
        raise ValueError(
            f"`float_layers` must name layers of the file: {', '.join(found)}. Received: {unknown}"
        )
    check_file(file, "int8", model, rebuilt, samples, timeout, target)
    return file, chosen


def _mixed(
    model: Any, samples: list[np.ndarray], float_layers: Any, timeout: float
) -> tuple[TFLiteFile, list[dict[str, Any]], Any]:
    """Returns the file, the errors of its layers, and the tf_keras model that was converted."""
    check_shapes(model)
    if isinstance(model, keras.Model):
        model = rebuild(model, measurable)
    check_indices(model, samples)
    warn_of_constants(model, samples)
    job = {
        "quantization": "int8",
        "ends": "int8",
        "float_layers": float_layers,
        "layers": [layer.name for layer in model.layers],
        "outputs": [tensor.node.layer.name for tensor in model.outputs],
    }
    return *convert_in_child(model, job, samples, timeout), model
