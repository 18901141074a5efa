"""Runs a `.tflite` file on the interpreter of a device: LiteRT, or TensorFlow Lite Micro.

It needs numpy and the interpreter alone, so that a fresh process that runs it as a file, with a
folder as its argument, starts in a fraction of a second; without one it reads folders from its
standard input, as `Child` hands them over. The folder holds `x.npz` and `job.json`:
`file`, the path of the file, `runtime`, "litert", "reference" (LiteRT with its reference kernels)
or "micro", the number of `outputs`, and whether the file is `stateful`. `y.npz` is written into it,
or `refused.txt` if the interpreter does not take the file; of a folder from the standard input,
also `log.txt`, all that was said.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# TensorFlow Lite Micro reserves its arena at once; it never touches the memory that a model does
# not need.
_ARENA = 2**29


class End(NamedTuple):
    """An input or output of a file, with its quantization.

    Args:
        shape: Its shape, the batch of one included.
        dtype: Its numpy dtype.
        scale: Of one quantization step; 0 if it is not quantized.
        zero_point: The stored value that stands for 0.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    def to_file(self, array: np.ndarray) -> np.ndarray:
        """Rounds an array to what the file takes."""
        if self.dtype.kind == "f" or self.scale == 0:
            return array.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        steps = np.round(array / self.scale) + self.zero_point
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)

    def from_file(self, array: np.ndarray) -> np.ndarray:
        """Reads an array that the file returned as floats, unless it holds plain integers."""
        if self.dtype.kind == "f" or self.scale == 0:
            return array
        return ((array.astype("float32") - self.zero_point) * self.scale).astype("float32")


class LiteRT:
    """Runs a file on LiteRT.

    Args:
        data: Bytes of the file.
        reference: Whether to take the kernels that define results, and not the fast ones.
        stateful: As `kerasnas.tflite.inspection.keeps_state` tells of the file.
    """

    def __init__(self, data: bytes, reference: bool = False, stateful: bool = False) -> None:
        self._data, self._reference, self._stateful = data, reference, stateful
        self._start()
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._input_indices = [tensor["index"] for tensor in inputs]
        self._output_indices = [tensor["index"] for tensor in outputs]
        self.inputs = [_end(tensor) for tensor in inputs]
        self.outputs = [_end(tensor) for tensor in outputs]

    def _start(self) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.BUILTIN_REF if self._reference else OpResolverType.AUTO
        self._interpreter = Interpreter(
            model_content=self._data, experimental_op_resolver_type=kernels
        )
        self._interpreter.allocate_tensors()

    def invoke(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Runs one sample, as the file takes it and returns it, from a fresh state."""
        if self._stateful:
            self._start()
        else:
            self._interpreter.reset_all_variables()
        for index, array in zip(self._input_indices, arrays, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._output_indices]


class Micro:
    """Runs a file on TensorFlow Lite Micro.

    Args:
        data: Bytes of the file.
        inputs: Number of its inputs.
        outputs: Number of its outputs.
        stateful: As `kerasnas.tflite.inspection.keeps_state` tells of the file.
    """

    def __init__(self, data: bytes, inputs: int, outputs: int, stateful: bool = False) -> None:
        self._data, self._stateful = data, stateful
        self._start()
        self.inputs = [_end(self._interpreter.get_input_details(i)) for i in range(inputs)]
        self.outputs = [_end(self._interpreter.get_output_details(i)) for i in range(outputs)]

    def _start(self) -> None:
        from tflite_micro import runtime

        self._interpreter = runtime.Interpreter.from_bytes(self._data, arena_size=_ARENA)

    def invoke(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Runs one sample, as the file takes it and returns it, from a fresh state."""
        if self._stateful:
            self._start()
        else:
            self._interpreter.reset()
        for index, array in enumerate(arrays):
            self._interpreter.set_input(array, index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(i)) for i in range(len(self.outputs))]


def _end(tensor: dict[str, Any]) -> End:
    quantization = tensor["quantization_parameters"]
    scales, zeros = quantization["scales"], quantization["zero_points"]
    quantized = len(scales) == 1 and len(zeros) == 1
    return End(
        tuple(int(size) for size in tensor["shape"]),
        np.dtype(tensor["dtype"]),
        float(scales[0]) if quantized else 0.0,
        int(zeros[0]) if quantized else 0,
    )


def run(runtime: LiteRT | Micro, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Runs samples one by one.

    Args:
        runtime: The file on its interpreter.
        arrays: One array of shape (samples, ...) for each input.

    Returns:
        List with one array of shape (samples, ...) for each output, float for quantized ones.
    """
    taken = [end.to_file(array) for array, end in zip(arrays, runtime.inputs, strict=True)]
    results: list[list[np.ndarray]] = [[] for _ in runtime.outputs]
    for row in range(len(arrays[0])):
        found = runtime.invoke([array[row : row + 1] for array in taken])
        for result, array in zip(results, found, strict=True):
            result.append(array)
    return [
        end.from_file(np.concatenate(result))
        for end, result in zip(runtime.outputs, results, strict=True)
    ]


def main(folder: Path) -> None:
    """Does the job in a folder.

    Args:
        folder: Folder with the files named above.
    """
    job = json.loads((folder / "job.json").read_text())
    data = Path(job["file"]).read_bytes()
    with np.load(folder / "x.npz") as file:
        arrays = [file[name] for name in file.files]
    runtime: LiteRT | Micro
    try:
        if job["runtime"] == "micro":
            runtime = Micro(data, len(arrays), job["outputs"], job["stateful"])
        else:
            runtime = LiteRT(data, job["runtime"] == "reference", job["stateful"])
    except (RuntimeError, ValueError) as error:
        (folder / "refused.txt").write_text(str(error))
        return
    np.savez(folder / "y.npz", *run(runtime, arrays))


def serve(work: Callable[[Path], None], tell: Callable[[Exception], None]) -> None:
    """Does the jobs in folders whose names come from the standard input, one a line.

    Args:
        work: Does the job in a folder.
        tell: Writes to the log why it has failed.
    """
    # What C++ prints to the descriptors 1 and 2 must not be taken for the answer.
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        try:
            work(folder)
            answer = "done"
        except Exception as error:
            tell(error)
            answer = "failed"
        sys.stdout.flush()
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        serve(main, lambda error: print(error, file=sys.stderr, flush=True))
