"""Runs a `.tflite` file with LiteRT, as a device would."""

import os
from typing import Any

import numpy as np

from kerasnas.data.arrays import listed
from kerasnas.runtime.silence import silence
from kerasnas.tflite.inspection import keeps_state
from kerasnas.tflite.reader import TFLiteFile, opened
from kerasnas.tflite.runner import LiteRT, run


class Interpreter:
    """A `.tflite` file that predicts on batches of float arrays.

    Inputs are quantized and outputs dequantized with the scales that are stored in the file, so
    that an int8 file is called like the float model it was made from. Each sample starts from a
    fresh state, as in Keras: what a recurrent layer or a variable of the file remembers is put
    back before it to what it was at first.

    Args:
        data: Path of a `.tflite` file that was converted for a batch of one, its bytes, or the file
            parsed.

    Raises:
        ValueError: If `data` is not a TensorFlow Lite model, or uses operators that LiteRT lacks.

    Example:

    ```python
    interpreter = kerasnas.export.Interpreter("model.tflite")
    predictions = interpreter.predict(x_test)
    ```
    """

    def __init__(self, data: str | os.PathLike[str] | bytes | TFLiteFile) -> None:
        file = opened(data)  # LiteRT can crash on bytes that only begin like a model.
        try:
            with silence():
                self._runtime = LiteRT(file.data, stateful=keeps_state(file))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"LiteRT cannot run `data`: {error}") from error

    @property
    def input_dtypes(self) -> list[str]:
        """Names of the dtypes that the file itself takes: `["int8"]` for a full int8 model."""
        return [end.dtype.name for end in self._runtime.inputs]

    @property
    def output_dtypes(self) -> list[str]:
        """Names of the dtypes that the file itself returns."""
        return [end.dtype.name for end in self._runtime.outputs]

    def predict(self, x: Any) -> Any:
        """Predicts, one sample at a time.

        Args:
            x: Array of shape (samples, ...), or a list of them for several inputs.

        Returns:
            Array of shape (samples, ...), float for quantized outputs, or a list of them for
            several outputs.

        Raises:
            ValueError: If the number of arrays, their lengths or their shapes do not fit.
        """
        arrays = checked_inputs(x, [end.shape for end in self._runtime.inputs])
        outputs = run(self._runtime, arrays)
        return outputs[0] if len(outputs) == 1 else outputs


def checked_inputs(x: Any, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Checks inputs against the shapes that a file takes.

    Args:
        x: Array of shape (samples, ...), or a list of them for several inputs.
        shapes: Shape of each input, its batch included.

    Returns:
        List of arrays.

    Raises:
        ValueError: If the number of arrays, their lengths or their shapes do not fit.
    """
    arrays = listed("x", x, [len(shape) for shape in shapes])
    for index, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if array.shape[1:] != shape[1:] or array.ndim == 0:
            raise ValueError(
                f"`x` for input {index} must have shape {('samples', *shape[1:])}. "
                f"Received: shape {array.shape}"
            )
        if len(array) != len(arrays[0]) or len(array) == 0:
            raise ValueError(
                "`x` must have at least one sample and as many for every input. "
                f"Received: {[len(a) for a in arrays]}"
            )
    return arrays
