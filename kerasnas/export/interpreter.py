"""Runs a `.tflite` file with LiteRT, as a device would."""

from typing import Any

import numpy as np

from kerasnas.export.model_file import operators
from kerasnas.export.silence import silence


class Interpreter:
    """A `.tflite` file that predicts on batches of float arrays.

    Inputs are quantized and outputs dequantized with the scales that are stored in the file, so
    that an int8 file is called like the float model it was made from.

    Args:
        data: Bytes of a `.tflite` file, converted for any batch size.

    Raises:
        ValueError: If `data` is not a TensorFlow Lite model, or uses operators that LiteRT lacks.

    Example:

    ```python
    interpreter = kerasnas.export.Interpreter(pathlib.Path("model.tflite").read_bytes())
    predictions = interpreter.predict(x_test)
    ```
    """

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteRT

        operators(data)  # LiteRT can crash on bytes that only begin like a model
        try:
            with silence():
                self._litert = LiteRT(model_content=bytes(data))
                self._litert.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"LiteRT cannot run `data`: {error}") from error
        self._inputs = _in_signature_order(self._litert, "input")
        self._outputs = _in_signature_order(self._litert, "output")

    @property
    def input_dtypes(self) -> list[str]:
        """Names of the dtypes that the file itself takes: `["int8"]` for a full int8 model."""
        return [np.dtype(tensor["dtype"]).name for tensor in self._inputs]

    @property
    def output_dtypes(self) -> list[str]:
        """Names of the dtypes that the file itself returns."""
        return [np.dtype(tensor["dtype"]).name for tensor in self._outputs]

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
        several = len(self._inputs) > 1
        arrays = [np.asarray(array) for array in (x if several else [x])]
        self._check(arrays)
        results: list[list[np.ndarray]] = [[] for _ in self._outputs]
        quantized = [_to_file(a, tensor) for a, tensor in zip(arrays, self._inputs, strict=True)]
        for row in range(len(arrays[0])):
            for values, tensor in zip(quantized, self._inputs, strict=True):
                self._litert.set_tensor(tensor["index"], values[row : row + 1])
            self._litert.invoke()
            for result, tensor in zip(results, self._outputs, strict=True):
                result.append(self._litert.get_tensor(tensor["index"]))
        outputs = [
            _from_file(np.concatenate(result), tensor)
            for result, tensor in zip(results, self._outputs, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def _check(self, arrays: list[np.ndarray]) -> None:
        if len(arrays) != len(self._inputs):
            raise ValueError(
                f"`x` must be a list of {len(self._inputs)} arrays. Received: {len(arrays)}"
            )
        for index, (array, tensor) in enumerate(zip(arrays, self._inputs, strict=True)):
            expected = tuple(int(size) for size in tensor["shape"][1:])
            if array.shape[1:] != expected:
                raise ValueError(
                    f"`x` for input {index} must have shape {('samples', *expected)}. "
                    f"Received: shape {array.shape}"
                )
            if len(array) != len(arrays[0]) or len(array) == 0:
                raise ValueError(
                    "`x` must have at least one sample and as many for every input. "
                    f"Received: {[len(a) for a in arrays]}"
                )


def _in_signature_order(litert: Any, end: str) -> list[dict[str, Any]]:
    """The file's own inputs or outputs, in the order of the model it was made from.

    The order of tensors in the file is the converter's; the names in its signature are ours.
    """
    details = getattr(litert, f"get_{end}_details")()
    signatures = litert.get_signature_list()
    if len(signatures) != 1 or len(details) == 1:
        return details
    (signature,) = signatures
    runner = litert.get_signature_runner(signature)
    named = getattr(runner, f"get_{end}_details")()
    by_index = {tensor["index"]: tensor for tensor in details}
    return [by_index[named[name]["index"]] for name in sorted(named)]


def _to_file(array: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(tensor["dtype"])
    scale, zero_point = tensor["quantization"]
    if dtype.kind == "f" or scale == 0:
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(array / scale) + zero_point, limits.min, limits.max).astype(dtype)


def _from_file(array: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    scale, zero_point = tensor["quantization"]
    if array.dtype.kind == "f" or scale == 0:
        return array
    return ((array.astype("float32") - zero_point) * scale).astype("float32")
