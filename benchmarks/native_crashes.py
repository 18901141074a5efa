"""Which layers TensorFlow's kernels cannot train on this machine.

    python benchmarks/native_crashes.py [convolutions transposed others cures]

Each case is a layer, a shape of its input and a batch. A child process computes its output and its
gradients in float32, three times, and compares them with those in float64, which oneDNN leaves to
other kernels. A case fails when the child ends or hangs, or when a value is off by a thousandth of
the largest one. With TF_ENABLE_ONEDNN_OPTS=0 none should fail.

`cures` are what the spaces build, and networks of yours with the gradients that kerasnas installs:
none should fail.
"""

import argparse
import itertools
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The C library then looks for overwritten memory, and ends the process at once.
os.environ.setdefault("MALLOC_CHECK_", "3")

import keras
import numpy as np

_SECONDS = 60
_WRONG = 1e-3
BATCHES = (1, 7, 63, 64)


class Case(NamedTuple):
    """A layer and what it is fed.

    Args:
        kind: Start of a Keras layer's name, behind "Safe" with the gradients of kerasnas; or what
            subsamples before a convolution.
        rank: Number of axes that it slides over.
        kernel: Size of its kernel.
        stride: Its stride.
        channels: Channels of its input.
        filters: Channels of its output; 0 where it has no such choice.
        batch: Samples.
        size: Length of each axis.
    """

    kind: str
    rank: int
    kernel: int
    stride: int
    channels: int
    filters: int
    batch: int
    size: int


def cured(rank: int, filters: int, stride: int, first: str) -> list[keras.layers.Layer]:
    """A 1×1 convolution with strides as two layers."""
    pool = getattr(keras.layers, f"{first}Pooling{rank}D")
    convolution = getattr(keras.layers, f"Conv{rank}D")
    size = 1 if first == "Max" else stride
    return [pool(size, stride, padding="same"), convolution(filters, 1)]


def layers_of(case: Case) -> list[keras.layers.Layer]:
    """The layers of a case."""
    if case.kind in ("MaxFirst", "AverageFirst"):
        return cured(case.rank, case.filters, case.stride, case.kind.removesuffix("First"))
    kind = case.kind.removeprefix("Safe")
    suffix = f"{case.rank}D"
    name = f"Conv{suffix}Transpose" if kind == "Transposed" else f"{kind}{suffix}"
    make = getattr(keras.layers, name)
    sizes = (case.filters, case.kernel) if case.filters else (case.kernel,)
    return [make(*sizes, strides=case.stride, padding="same")]


def error(case: Case) -> float:
    """Largest difference between float32 and float64, as a share of the largest value."""
    import tensorflow as tf

    from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe

    if case.kind.startswith("Safe"):
        make_pointwise_gradients_safe()
    rng = np.random.default_rng(0)
    shape = (case.size,) * case.rank + (case.channels,)
    x = rng.normal(size=(case.batch, *shape))
    found: list[list[np.ndarray]] = []
    weights = None
    for dtype, times in (("float64", 1), ("float32", 3)):
        keras.config.set_dtype_policy(dtype)
        model = keras.Sequential([keras.Input(shape), *layers_of(case)])
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        for _ in range(times):
            inputs = tf.constant(x, dtype)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = model(inputs, training=True)
                pulled = np.random.default_rng(1).normal(size=outputs.shape)
                total = tf.reduce_sum(outputs * tf.constant(pulled, dtype))
            sources = [inputs, *(variable.value for variable in model.trainable_variables)]
            found.append([np.array(a) for a in (outputs, *tape.gradient(total, sources))])
    exact, *others = found
    return max(
        float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-9))
        for values in others
        for a, b in zip(values, exact, strict=True)
    )


def outcome(run: Callable[[], float]) -> str:
    """What becomes of a function in a child process: "right", or how it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            said = f"{run():.1e}"
        except Exception as problem:
            said = f"{type(problem).__name__}: {problem}"
        os.write(writing, said.encode()[:4000])
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], _SECONDS)
    if not ready:
        os.kill(child, signal.SIGKILL)
    said = os.read(reading, 4000).decode() if ready else ""
    os.close(reading)
    status = os.waitpid(child, 0)[1]
    if not ready:
        return "hangs"
    if os.WIFSIGNALED(status):
        return f"ends by {signal.Signals(os.WTERMSIG(status)).name}"
    try:
        return "right" if float(said) < _WRONG else f"wrong by {said}"
    except ValueError:
        return f"fails ({' '.join(said.split())[:60]})"


def cases(part: str) -> Iterator[Case]:
    """The cases of a part."""
    product: Any = itertools.product
    few = (1, 3, 4, 8, 12, 15, 16, 17, 24)
    if part == "convolutions":
        yield from map(Case._make, product(["Conv"], [1, 2], [1], [2], few, [8], BATCHES, [16, 15]))
        yield from map(Case._make, product(["Conv"], [2], [1], [3], [4, 8], [8], BATCHES, [15, 16]))
        yield from map(Case._make, product(["Conv"], [2], [1], [2], [4, 8], [24], BATCHES, [48]))
        yield from map(Case._make, product(["Conv"], [3], [1], [2], [4, 8], [8], BATCHES, [8]))
        yield from map(
            Case._make, product(["Conv"], [1, 2], [2, 3, 5], [1, 2], [3, 8], [8], BATCHES, [16, 15])
        )
    elif part == "transposed":
        yield from map(
            Case._make, product(["Transposed"], [2], [1, 2, 3], [2], [4, 16], few, BATCHES, [8])
        )
    elif part == "others":
        pools = ["MaxPooling", "AveragePooling", "DepthwiseConv"]
        yield from map(
            Case._make, product(pools, [1, 2], [1, 2, 3], [2], [3, 8], [0], BATCHES, [16, 15])
        )
        yield from map(
            Case._make, product(["SeparableConv"], [1, 2], [1, 3], [2], [3, 8], [8], BATCHES, [16])
        )
    else:
        kinds = ["MaxFirst", "AverageFirst", "SafeConv", "SafeTransposed"]
        yield from map(
            Case._make, product(kinds, [1, 2], [1], [2, 3], range(1, 17), [8], BATCHES, [16, 15])
        )


def main() -> None:
    """Runs the parts, and prints what fails."""
    parts = ["convolutions", "transposed", "others", "cures"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", default=parts, help=", ".join(parts))
    for part in parser.parse_args().parts:
        if part not in parts:
            sys.exit(f"Unknown part {part!r}: choose among {', '.join(parts)}")
        count, failed = 0, 0
        print(f"{part}: {', '.join(Case._fields)}", flush=True)
        for case in cases(part):
            count += 1
            said = outcome(lambda case=case: error(case))
            if said != "right":
                failed += 1
                print(f"  {', '.join(map(str, case))}: {said}", flush=True)
        print(f"  {failed} of {count} fail", flush=True)


if __name__ == "__main__":
    main()
