"""Checks what predicts the latency of networks, and the milliseconds that it returns."""

import math
import numbers
from typing import Any

from kerasnas.hardware.latency.model import LatencyModel

# The dtype of the files whose costs a search computes.
DTYPE = "int8"
WAYS = (
    "latency=kn.hardware.LatencyModel.fit(timings) predicts it from timings of a device, "
    "kn.Budget.for_device(name) with the timings that are published for a few boards, and "
    "latency=kn.export.HostLatency() measures it on this machine"
)


def check_latency(latency: Any) -> None:
    """Raises an error unless `latency` can predict or measure a network.

    Args:
        latency: The argument `latency` of a budget or a device.

    Raises:
        TypeError: A class, or an object without a method `predict` or `measure`.
        ValueError: A `LatencyModel` of files of another dtype than a search costs.
    """
    received = f"Received: latency={latency!r} of type {type(latency).__name__}"
    if isinstance(latency, type):
        raise TypeError(
            "Argument `latency` must be an instance, not a class: call "
            f"{latency.__name__}(...) or what makes one. {received}"
        )
    if not any(callable(getattr(latency, way, None)) for way in ("predict", "measure")):
        raise TypeError(
            f"Argument `latency` must tell the milliseconds of a network: {WAYS}. {received}"
        )
    if isinstance(latency, LatencyModel) and latency.dtype != DTYPE:
        raise ValueError(
            f"Argument `latency` must be of {DTYPE} files, as all costs of a search are. Fit it to "
            f"timings of {DTYPE} files; or, for the time of {latency.dtype} files all the same, to "
            "pairs of kn.profile(model), which is of int8, and its milliseconds. Received: a "
            f"LatencyModel of {latency.dtype} files, fitted to {latency.source}"
        )


def check_told(ms: Any, latency: Any) -> float:
    """Returns the milliseconds that were predicted as a float, or raises an error.

    Args:
        ms: What was told.
        latency: What has told it, for the error.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative or not finite.
    """
    said = (
        f"Argument `latency` must tell a finite number of milliseconds of at least 0. Received: "
        f"{ms!r} of type {type(ms).__name__}, from a {type(latency).__name__}"
    )
    if isinstance(ms, bool) or not isinstance(ms, numbers.Real):  # numbers of numpy too
        raise TypeError(said)
    if not (math.isfinite(ms) and float(ms) >= 0):
        raise ValueError(said)
    return float(ms)
