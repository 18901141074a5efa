"""How long one inference takes: measured here, or predicted by a model of measurements."""

from kerasnas.hardware.latency.fitting import HeldOut
from kerasnas.hardware.latency.model import Cost, LatencyModel
from kerasnas.hardware.latency.timings import Timing, read_operator_timings, read_timings

__all__ = ["Cost", "HeldOut", "LatencyModel", "Timing", "read_operator_timings", "read_timings"]
