"""Latency models that ship with kerasnas: ratios between operators, and boards with timings.

All numbers are printed by `python benchmarks/latency.py boards`, and depend on the processor of the
machine that it runs on: these are of an x86-64 server.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kerasnas.hardware.latency.fitting import HeldOut
from kerasnas.hardware.latency.model import Cost, LatencyModel, scale_costs

MICROCONTROLLER = LatencyModel(
    constant=0.0012,
    costs={
        "CONV_2D": Cost(macs=1.0, values=29.7),
        "DEPTHWISE_CONV_2D": Cost(macs=1.96, values=15.8),
        "FULLY_CONNECTED": Cost(macs=0.867, values=10.9),
        "ADD": Cost(values=12.5),
        "AVERAGE_POOL_2D": Cost(values=11.5),
        "CONCATENATION": Cost(values=0.657),
        "LOGISTIC": Cost(values=66.8),
        "MAX_POOL_2D": Cost(values=12.9),
        "MEAN": Cost(),
        "MUL": Cost(values=6.12),
        "RELU": Cost(values=5.19),
        "RESHAPE": Cost(),
        "SOFTMAX": Cost(values=55.6),
        "OTHER": Cost(values=66.8),
    },
    source="the reference kernels of TensorFlow Lite Micro on an x86-64 server (ratios only: a "
    "million multiply-accumulates of a convolution is 1; fit them to a board with `like=`)",
    error=HeldOut(0.089, 0.97, 96, 10),
    dtype="int8",
)
"""Ratios between the operators of int8 files on microcontrollers, in no unit of time.

Example:

```python
board = kn.hardware.LatencyModel.fit("board.csv", like=kn.hardware.MICROCONTROLLER)
```
"""

_REFERENCE = "MLPerf Tiny v0.5 (mlcommons/tiny_results_v0.5, closed/reference)"
_KRAI = "MLPerf Tiny v1.1 (mlcommons/tiny_results_v1.1, closed/Krai)"
# For each board: source, scale, constant, and the error on published networks that a fit to the
# others did not see. Without the autoencoder, nothing tells the constant.
_FITS = {
    "nucleo-l4r5zi, TFLM reference kernels": (_REFERENCE, 41.95, 0, HeldOut(0.069, 0.103, 4, 4)),
    "nucleo-l4r5zi, microTVM + CMSIS-NN": (_KRAI, 22.23, 3.08, HeldOut(0.124, 0.351, 4, 4)),
    "nucleo-l4r5zi, X-CUBE-AI 8.0": (_KRAI, 14.83, 3.92, HeldOut(0.076, 0.091, 4, 4)),
    "nucleo-h7a3zi, X-CUBE-AI 8.0": (_KRAI, 3.462, 0.966, HeldOut(0.045, 0.516, 4, 4)),
}


def _board(name: str, timings: str, scale: float, constant: float, error: HeldOut) -> LatencyModel:
    costs = scale_costs(MICROCONTROLLER.costs, scale)
    ratios = MICROCONTROLLER.source.partition(" (")[0]
    source = f"4 timings of {name}, of {timings}, with the ratios between operators of {ratios}"
    return LatencyModel(constant, costs, source, error, MICROCONTROLLER.dtype)


BOARDS: Mapping[str, LatencyModel] = MappingProxyType(
    {name: _board(name, *numbers) for name, numbers in _FITS.items()}
)
"""Latency models of boards by name and runtime, of int8 files: `print` one for its source.

Example:

```python
budget = kn.Budget(latency_ms=50, latency=kn.hardware.BOARDS["nucleo-l4r5zi, X-CUBE-AI 8.0"])
```
"""
