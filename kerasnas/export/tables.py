"""Look-up tables for clustered weights, in the form that TensorFlow Lite Micro unpacks."""

import numpy as np

from kerasnas.export.micro import has_micro
from kerasnas.hardware import measure_arena
from kerasnas.runtime.stability import experimental
from kerasnas.tflite.inspection import ends
from kerasnas.tflite.isolated_runner import run_file
from kerasnas.tflite.kernels import KERNELS
from kerasnas.tflite.reader import TFLiteFile, opened

_MOST_BITS = 7
# Bytes that an unpacking operator and its tensors add to the graph: what was seen in files.
_OVERHEAD = 400
_SAMPLES = 8


@experimental(since="0.2.0")
def compress_tables(data: bytes, timeout: float = 60) -> bytes:
    """Stores kernels of few distinct values as indices into look-up tables.

    For int8 files of clustered networks, on microcontrollers: flash falls, while the arena grows
    by the largest kernel, which is unpacked before each use, and inference takes longer. The result
    runs on TensorFlow Lite Micro alone, of which the x86 and Xtensa (HiFi, Vision P6) builds are
    documented to unpack; LiteRT cannot run it.

    Args:
        data: Bytes of an int8 `.tflite` file. Metadata, if any is wanted, is added afterwards.
        timeout: Seconds for each run that checks the result.

    Returns:
        Bytes of the smaller file. Its outputs on TensorFlow Lite Micro are the same to the bit, on
        random inputs: that is checked.

    Raises:
        ImportError: If tflite-micro is not installed.
        ValueError: If `data` is no complete TensorFlow Lite model, TensorFlow Lite Micro refuses
            it, or no kernel has few enough distinct values to gain by it.
        RuntimeError: If the smaller file does not give the same outputs.

    Source:
        docs/compression.md of github.com/tensorflow/tflite-micro.

    Example:

    ```python
    smaller = kn.export.compress_tables(small.tflite)
    kn.export.verify(smaller, x_test, y_test, model, target="micro")
    ```
    """
    file = opened(data)
    kernels = _kernels(file)
    if not has_micro():
        raise ImportError(
            "compress_tables needs TensorFlow Lite Micro: pip install 'kerasnas[micro]'"
        )
    measure_arena(file, timeout)
    if not kernels:
        raise ValueError(
            "`data` has no int8 kernel with so few distinct values a channel that tables would be "
            "smaller: cluster the weights first, into 16 values or fewer"
        )
    from tflite_micro import compression

    spec = compression.spec
    wanted = []
    for position, (bits, axis) in kernels.items():
        sharing = spec.PerTensor() if axis is None else spec.PerChannel(axis)
        wanted.append(spec.Tensor(0, position, [spec.LookUpTableCompression(bits, sharing)]))
    smaller = bytes(compression.compress(file.data, wanted))
    rng = np.random.default_rng(0)
    inputs = [
        (rng.integers(-128, 128, (_SAMPLES, *end.shape[1:])) - end.zero_point) * (end.scale or 1.0)
        for end in ends(file, "input")
    ]
    outputs = (run_file(made, inputs, "micro", timeout) for made in (file, smaller))
    for before, after in zip(*outputs, strict=True):
        if not np.array_equal(before, after):
            raise RuntimeError(
                "TensorFlow Lite Micro gives other outputs with look-up tables: keep the file as "
                f"it is. Largest difference: {np.abs(before - after).max():g}"
            )
    return smaller


def _kernels(file: TFLiteFile) -> dict[int, tuple[int, int | None]]:
    """Returns the kernels whose indices and tables take less than their bytes.

    Returns:
        Dict from tensor to the bits of an index, and the axis of the channels, each of which has a
        table of its own; None for one table.
    """
    graph, records = file.graphs[0], file.root.Subgraphs(0)
    found: dict[int, tuple[int, int | None]] = {}
    for operator in graph.operators:
        if operator.kind not in KERNELS:
            continue
        position = operator.inputs[1]
        kernel = graph.tensors[position]
        if kernel.dtype != "int8" or kernel.data is None or not kernel.scales:
            continue
        values = kernel.data.view("int8").reshape(kernel.shape)
        axis = records.Tensors(position).Quantization().QuantizedDimension()
        channels = [values] if kernel.scales == 1 else np.moveaxis(values, axis, 0)
        bits = max(1, max(len(np.unique(c)) - 1 for c in channels).bit_length())
        packed = values.size * bits / 8 + len(channels) * 2**bits + _OVERHEAD
        if bits <= _MOST_BITS and packed < values.size:
            found[position] = (bits, None if kernel.scales == 1 else axis)
    return found
