"""Measures how long a `.tflite` file takes on this machine."""

import dataclasses
import time
from typing import Any, Literal, get_args

import keras
import numpy as np

from kerasnas.export.conversion import to_tflite
from kerasnas.runtime.arguments import check_choice, check_integer
from kerasnas.runtime.silence import silence
from kerasnas.tflite.reader import TFLiteFile, opened

Quantization = Literal["int8", "float32", "float16", "dynamic"]
_LOW, _HIGH = 0.1, 0.9
_SAMPLES = 8


@dataclasses.dataclass(frozen=True)
class LatencyMeasurement:
    """What was measured on this machine, in milliseconds of one inference.

    It is the time of LiteRT on the processor of this machine with the load that it has now; a
    phone or a board takes another time, and may rank models in another order.

    Args:
        median: The median of the runs.
        low: The time that a tenth of the runs stayed below.
        high: The time that a tenth of the runs exceeded.
        runs: How many runs were timed.
        threads: Threads of the interpreter.
    """

    median: float
    low: float
    high: float
    runs: int
    threads: int

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return (
            f"{self.median:.3g} ms on this machine (LiteRT, {threads}, median of {self.runs} runs, "
            f"8 of 10 within {self.low:.3g} to {self.high:.3g} ms)"
        )


def measure_latency(
    data: bytes | TFLiteFile, threads: int = 1, warmup: int = 5, runs: int = 50
) -> LatencyMeasurement:
    """Times a `.tflite` file on the processor of this machine with LiteRT.

    Inputs are random, or zeros where they are integers; the time of an inference does not depend on
    them, nor on the weights. What the XNNPACK kernels refuse, such as an int8 layer whose
    calibration saw only zeros, is timed with LiteRT's others.

    Args:
        data: Bytes of the file, or the file parsed.
        threads: Threads of the interpreter.
        warmup: Runs before the timed ones.
        runs: Runs that are timed.

    Returns:
        Median, spread and number of runs.

    Raises:
        ValueError: `data` is no `.tflite` file or cannot be run, or a count is below 1 (`warmup`
            below 0).

    Example:

    ```python
    print(kn.export.measure_latency(kn.export.to_tflite(model), threads=4))
    ```
    """
    for name, value, least in (("threads", threads, 1), ("warmup", warmup, 0), ("runs", runs, 1)):
        check_integer(name, value, least=least)
    litert = _open(data, threads)
    rng = np.random.default_rng(0)
    for tensor in litert.get_input_details():
        litert.set_tensor(tensor["index"], _random(rng, tensor))
    for _ in range(warmup):
        litert.invoke()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        litert.invoke()
        seconds.append(time.perf_counter() - start)
    low, median, high = (1e3 * float(q) for q in np.quantile(seconds, [_LOW, 0.5, _HIGH]))
    return LatencyMeasurement(median, low, high, runs, threads)


@dataclasses.dataclass(frozen=True)
class HostLatency:
    """Measures models on this machine: the `latency` of a budget that limits this machine's time.

    Each network is built, converted and timed once, in seconds, after all other limits are met: a
    `warm_start` by a proxy does so with every candidate. Measured times differ from run to run, so
    such a search does not repeat itself exactly. A `LatencyModel` that is fitted to a few dozen
    such measurements answers in microseconds, and always the same.

    Args:
        threads: Threads of the interpreter.
        dtype: What the model is converted to before it is measured: "int8", for which all other
            limits of a budget hold, or "float32", "float16" or "dynamic", if such a file is to run
            on this machine.
        warmup: Runs before the timed ones.
        runs: Runs that are timed.

    Raises:
        ValueError: An unknown dtype, or a count below 1 (`warmup` below 0).

    Example:

    >>> import kerasnas as kn
    >>> budget = kn.Budget(latency_ms=5, latency=kn.export.HostLatency(threads=2))
    """

    threads: int = 1
    dtype: Quantization = "int8"
    warmup: int = 5
    runs: int = 50

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, get_args(Quantization))
        for name, least in (("threads", 1), ("warmup", 0), ("runs", 1)):
            check_integer(name, getattr(self, name), least=least)

    def measure(self, model: keras.Model) -> LatencyMeasurement:
        """Converts a Keras model and times it.

        Args:
            model: A built model with inputs of known shape.

        Returns:
            The measurement of the converted file.

        Raises:
            ValueError: An input of unknown shape, or a model that cannot be converted or run.

        Example:

        ```python
        print(kn.export.HostLatency(dtype="float32").measure(model))
        ```
        """
        for tensor in model.inputs:
            if None in tensor.shape[1:]:
                raise ValueError(
                    f"Argument `model` must have inputs of known shape; input {tensor.name!r} has "
                    f"{tuple(tensor.shape)}: pass `shape` in full to keras.Input"
                )
        rng = np.random.default_rng(0)
        samples = [rng.random((_SAMPLES, *tensor.shape[1:])) for tensor in model.inputs]
        data = to_tflite(model, self.dtype, samples if len(samples) > 1 else samples[0])
        return measure_latency(data, self.threads, self.warmup, self.runs)

    def __str__(self) -> str:
        return (
            f"measured on this machine: {self.dtype} in LiteRT, threads={self.threads}, median of "
            f"{self.runs} runs"
        )


def _open(data: bytes | TFLiteFile, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    file = opened(data)  # LiteRT can crash on bytes that only begin like a model.
    failure: Exception | None = None
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        try:
            with silence():
                litert = Interpreter(
                    model_content=file.data,
                    num_threads=threads,
                    experimental_op_resolver_type=kernels,
                )
                litert.allocate_tensors()
            return litert
        except (RuntimeError, ValueError) as error:
            failure = failure or error
    raise ValueError(f"LiteRT cannot run `data`: {failure}") from failure


def _random(rng: np.random.Generator, tensor: dict[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(tensor["dtype"]), tuple(tensor["shape"])
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    # Zeros are valid indices of any embedding.
    return np.zeros(shape, dtype)
