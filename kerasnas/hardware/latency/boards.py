"""Latency models that come along: ratios between operators, and boards with published timings.

All numbers are printed by `python benchmarks/latency.py boards`, and depend on the processor of the
machine that it runs on: these are of an x86-64 server.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kerasnas.hardware.latency.fitting import HeldOut
from kerasnas.hardware.latency.model import Cost, LatencyModel

MICROCONTROLLER = LatencyModel(
    constant=0.002,
    costs={
        "CONV_2D": Cost(macs=1.0, values=36.3),
        "DEPTHWISE_CONV_2D": Cost(macs=2.43, values=22.3),
        "FULLY_CONNECTED": Cost(macs=1.08, values=8.9),
        "ADD": Cost(values=67.0),
        "AVERAGE_POOL_2D": Cost(values=15.8),
        "MAX_POOL_2D": Cost(values=80.0),
        "MEAN": Cost(),
        "RESHAPE": Cost(),
        "SOFTMAX": Cost(values=165.0),
        "OTHER": Cost(values=165.0),
    },
    source="the reference kernels of TensorFlow Lite Micro on an x86-64 server (ratios only: a "
    "million multiply-accumulates of a convolution is 1; fit them to a board with `like=`)",
)


def _board(source: str, scale: float, constant: float, error: HeldOut) -> LatencyModel:
    costs = {k: Cost(*(scale * part for part in c)) for k, c in MICROCONTROLLER.costs.items()}
    ratios = MICROCONTROLLER.source.partition(" (")[0]
    return LatencyModel(
        constant, costs, f"{source}, 4 networks, with the ratios of {ratios}", error
    )


_REFERENCE = "MLPerf Tiny v0.5 (mlcommons/tiny_results_v0.5, closed/reference)"
_KRAI = "MLPerf Tiny v1.1 (mlcommons/tiny_results_v1.1, closed/Krai)"

# Boards by name and runtime.
BOARDS: Mapping[str, LatencyModel] = MappingProxyType(
    {
        "nucleo-l4r5zi, TFLM reference kernels": _board(
            _REFERENCE, 36.0, 0.0, HeldOut(0.089, 0.122, 4, 4)
        ),
        "nucleo-l4r5zi, microTVM + CMSIS-NN": _board(
            _KRAI, 20.0, 2.69, HeldOut(0.119, 0.306, 4, 4)
        ),
        "nucleo-l4r5zi, X-CUBE-AI 8.0": _board(_KRAI, 12.0, 3.66, HeldOut(0.078, 0.192, 4, 4)),
        "nucleo-h7a3zi, X-CUBE-AI 8.0": _board(_KRAI, 3.0, 0.91, HeldOut(0.04, 0.483, 4, 4)),
    }
)
