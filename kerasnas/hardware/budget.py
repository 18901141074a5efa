"""Hard limits of a device, in units that people write."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from kerasnas.hardware import units
from kerasnas.hardware.device import Device
from kerasnas.hardware.devices import find_device, timed_devices
from kerasnas.hardware.latency.clocks import why_not_scaled
from kerasnas.hardware.latency.validation import WAYS, check_latency, check_told
from kerasnas.hardware.profile import Profile

# Name of each limit, and the attribute of a profile that it bounds.
LIMITS = {
    "params": "params",
    "macs": "macs",
    "flash": "flash_bytes",
    "ram": "ram_bytes",
    "latency_ms": "latency_ms",
}
# The smallest file that the converter writes, of one operator without constants, has 808 bytes, and
# the interpreter of tflite-micro 0.dev20261023 reports an arena of 832 for it.
_LEAST = {"params": 1, "macs": 1, "flash": 800, "ram": 800}
_UNITS = {"params": units.COUNTS, "macs": units.COUNTS, "flash": units.BYTES, "ram": units.BYTES}


class Violation(NamedTuple):
    """A cost that is above its limit.

    Args:
        value: The cost: bytes, milliseconds, or a number of weights or of multiply-accumulates.
        limit: Its limit, in the same unit.

    Example:

    >>> import kerasnas as kn
    >>> kn.hardware.Violation(value=80000, limit=64000).excess
    0.25
    """

    value: float
    limit: float

    @property
    def excess(self) -> float:
        """By how much of the limit it is above: 0.25 for a quarter too much."""
        return self.value / self.limit - 1


@dataclasses.dataclass(frozen=True, init=False)
class Budget:
    """Limits that no model of a search may exceed; None leaves a cost unlimited.

    Args:
        params: Number of weights, an integer or a string such as "50K" (1K = 1000).
        macs: Multiply-accumulates of one inference, an integer or a string such as "2.5M".
        flash: Size of the int8 `.tflite` file in bytes, or a string such as "64KB"
            (KB = 1024 bytes, MB = 1024 KB).
        ram: Tensor arena in bytes, or a string such as "32KB".
        latency_ms: Milliseconds of one inference, or a string such as "20ms" or "1.5s".
        latency: What tells the milliseconds of a network: a `kerasnas.hardware.LatencyModel` of
            int8 files, or anything else with `predict(profile) -> float`; or a
            `kerasnas.export.HostLatency`, which measures the converted model on this machine.
            Without `latency_ms` it limits nothing, and makes "latency_ms" a cost that can be an
            objective.

    Raises:
        ValueError: A limit that is not positive or whose unit is unknown, one below what any
            model needs, `latency_ms` without `latency`, or a latency model of another dtype.
        TypeError: A limit that is no number, or a `latency` that cannot tell the milliseconds.

    Example:

    >>> import kerasnas as kn
    >>> kn.Budget(flash="64KB", ram="32KB").flash
    65536
    """

    params: int | None
    macs: int | None
    flash: int | None
    ram: int | None
    latency_ms: float | None
    latency: Any

    def __init__(
        self,
        params: int | str | None = None,
        macs: int | str | None = None,
        flash: int | str | None = None,
        ram: int | str | None = None,
        latency_ms: float | str | None = None,
        latency: Any = None,
    ) -> None:
        for name, value in (("params", params), ("macs", macs), ("flash", flash), ("ram", ram)):
            limit = None if value is None else units.parse(name, value, _UNITS[name])
            if limit is not None and limit < _LEAST[name]:
                raise ValueError(
                    f"Argument `{name}` must be at least {_LEAST[name]}, which the smallest model "
                    f"needs. Received: {name}={value!r}"
                )
            object.__setattr__(self, name, None if limit is None else int(limit))
        if latency is not None:
            check_latency(latency)
        if latency_ms is not None:
            parsed = units.parse("latency_ms", latency_ms, units.MILLISECONDS)
            if latency is None:
                raise ValueError(
                    "Argument `latency_ms` needs something that tells the milliseconds of a "
                    f"network: {WAYS}. Received: latency_ms={latency_ms!r} alone"
                )
            latency_ms = parsed
        object.__setattr__(self, "latency_ms", latency_ms)
        object.__setattr__(self, "latency", latency)

    @classmethod
    def for_device(cls, device: str | Device, **limits: Any) -> "Budget":
        """Returns a device's flash and RAM, less what the runtime and the application need.

        Args:
            device: A name of `kerasnas.hardware.DEVICES`, in any case, or a
                `kerasnas.hardware.Device` of one's own.
            **limits: Arguments of `Budget`, which take the place of the device's.

        Returns:
            The budget; its `latency` is the device's `latency_model`, where it has one: `print` it
            to see whether it is of this board's timings or scaled from another's, and its error.

        Raises:
            ValueError: An unknown name, a device whose reserve leaves less than any model needs, or
                `latency_ms` of one that has no latency model.

        Example:

        >>> import kerasnas as kn
        >>> kn.Budget.for_device("arduino-nano-33-ble", macs="5M").ram
        196608
        >>> kn.Budget.for_device(kn.hardware.Device("mine", flash="512KB", ram="96KB")).flash
        393216
        """
        found = device if isinstance(device, Device) else find_device(device)
        for name, amount in (("flash", found.model_flash), ("ram", found.model_ram)):
            if (
                limits.setdefault(name, amount) is amount
                and (amount or _LEAST[name]) < _LEAST[name]
            ):
                raise ValueError(
                    f"Device {found.name!r} has {amount} bytes of {name} left for a model, and the "
                    f"smallest needs {_LEAST[name]}: lower its `{name}_reserve`, or pass {name}="
                )
        latency = found.latency_model
        limits.setdefault("latency", latency)
        if limits.get("latency_ms") is not None and limits["latency"] is latency is None:
            raise ValueError(
                f"Nobody has published how fast device {found.name!r} is."
                f"{why_not_scaled(found.core, found.clock_mhz, found.chip)} Pass "
                "latency=kn.hardware.LatencyModel.fit(timings) of yours beside `latency_ms`. "
                f"Devices that have a latency model: {timed_devices()}. "
                f"Received: latency_ms={limits['latency_ms']!r}"
            )
        return cls(**limits)

    @property
    def measures(self) -> bool:
        """Whether the latency is measured on the model itself, and not predicted.

        Returns:
            True if `latency` has `measure` and no `predict`; False without a `latency`, too.

        Example:

        >>> import kerasnas as kn
        >>> kn.Budget(latency_ms=5, latency=kn.export.HostLatency()).measures
        True
        """
        return self.latency is not None and not callable(getattr(self.latency, "predict", None))

    def completed(
        self, profile: Profile, model: Callable[[], keras.Model] | None = None
    ) -> Profile:
        """Returns a profile with its `latency_ms`, where this budget can tell it.

        Args:
            profile: The cost of a network.
            model: Gives the network itself, built; a latency that is measured needs it.

        Returns:
            The profile, `latency_ms` filled in unless it is there, or nothing tells it.

        Raises:
            TypeError: What `latency` told is no number.
            ValueError: It is negative or not finite, or `latency` cannot tell it for this network.
        """
        if self.latency is None or profile.latency_ms is not None:
            return profile
        if not self.measures:
            ms = check_told(self.latency.predict(profile), self.latency)
        elif model is None:
            return profile
        else:
            found = self.latency.measure(model())
            if not hasattr(found, "median"):
                raise TypeError(
                    "Method `measure` of argument `latency` must return an object with a `median`, "
                    "such as kerasnas.export.LatencyMeasurement. Received: "
                    f"{found!r}, from a {type(self.latency).__name__}"
                )
            ms = check_told(found.median, self.latency)
        return dataclasses.replace(profile, latency_ms=ms)

    def violations(self, profile: Profile) -> dict[str, Violation]:
        """Compares a profile with the limits.

        Args:
            profile: The cost of a network. A latency that is limited and not in it is predicted, if
                it can be; one that must be measured is not: see `completed`.

        Returns:
            For each limit that is exceeded, its name and a `Violation`; empty when all is met.

        Raises:
            TypeError: What `latency` told of a limited latency is no number.
            ValueError: It is negative or not finite, or `latency` cannot tell it for this network.
        """
        if self.latency_ms is not None:
            profile = self.completed(profile)
        found = {}
        for name, attribute in LIMITS.items():
            limit, value = getattr(self, name), getattr(profile, attribute)
            if limit is not None and value is not None and value > limit:
                found[name] = Violation(value, limit)
        return found

    @property
    def needs_profile(self) -> bool:
        """Whether more is limited than the number of weights, which every built model tells."""
        return any(getattr(self, name) is not None for name in LIMITS if name != "params")

    def __repr__(self) -> str:
        """Returns the limits that are set, as they can be written again."""
        given = {name: getattr(self, name) for name in (*LIMITS, "latency")}
        text = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
        return f"Budget({text})"

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in LIMITS)
