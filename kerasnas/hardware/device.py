"""A board or a phone: its memory, and what of it a model may have."""

import dataclasses

from kerasnas.hardware import units
from kerasnas.hardware.latency import LatencyModel
from kerasnas.hardware.latency.clocks import scaled_latency
from kerasnas.hardware.latency.validation import check_latency
from kerasnas.runtime.arguments import check_number

_KB = 1024

# TensorFlow Lite Micro takes 16 KB on a Cortex-M3 and 22 KB with the operators of a keyword
# spotter (tensorflow.org/lite/microcontrollers); vendor kernels, a board's drivers and C library
# and the application take more: a round figure of ours for all of it.
FLASH_RESERVE = 128 * _KB
# Stack, drivers' buffers, the input that is gathered while a model runs, and the scratch buffers
# of optimized kernels such as CMSIS-NN's; a round figure of ours as well.
RAM_RESERVE = 32 * _KB


@dataclasses.dataclass(frozen=True)
class Device:
    """A board or a phone.

    Args:
        name: Its name.
        flash: Bytes of flash, or a string such as "1MB"; None where programs lie on a disk.
        ram: Bytes of RAM, or a string; None for no limit.
        flash_reserve: Bytes of flash that the runtime and the application need, or a string; 0 for
            nothing.
        ram_reserve: Bytes of RAM, or a string, that they need beside the tensor arena, and that the
            device's own kernels need for scratch buffers which the reference kernels do without.
        bank: Bytes, or a string, of the largest part of the RAM with consecutive addresses, in
            which the tensor arena must lie; None for all of it.
        latency: Tells the milliseconds of a network on it: a `LatencyModel` of int8 files that was
            fitted to its timings; None where it has none, see `latency_model`.
        source: Where the figures are from.
        chip: Name of its processor, by which it is found, too.
        core: Name of the core that runs the model, such as "Cortex-M4F" or "Cortex-M7".
        clock_mhz: Clock of that core in MHz; None where it is not known.

    Raises:
        TypeError: A name, chip or core that is no string, an amount or clock that is none, or a
            `latency` that cannot tell the milliseconds.
        ValueError: An amount or clock that is not positive, a reserve that leaves nothing, a bank
            above the RAM, or a latency model of another dtype.

    Example:

    >>> import kerasnas as kn
    >>> mine = kn.hardware.Device("mine", flash="512KB", ram="96KB", ram_reserve="16KB")
    >>> kn.Budget.for_device(mine).ram
    81920
    """

    name: str
    flash: int | str | None
    ram: int | str | None
    flash_reserve: int | str = FLASH_RESERVE
    ram_reserve: int | str = RAM_RESERVE
    bank: int | str | None = None
    latency: LatencyModel | None = None
    source: str = ""
    chip: str = ""
    core: str = ""
    clock_mhz: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise (ValueError if isinstance(self.name, str) else TypeError)(
                f"Argument `name` must be the name of the device. Received: name={self.name!r}"
            )
        for field in ("chip", "core"):
            value = getattr(self, field)
            if not isinstance(value, str):
                raise TypeError(f"Argument `{field}` must be a string. Received: {field}={value!r}")
        if self.clock_mhz is not None:
            clock = "a clock in MHz"
            check_number("clock_mhz", self.clock_mhz, what=clock, above=0, hint=", such as 64")
        for field in ("flash", "ram", "flash_reserve", "ram_reserve", "bank"):
            value, reserve = getattr(self, field), field.endswith("reserve")
            if value is None and reserve:
                raise TypeError(
                    f"Argument `{field}` must be an amount, 0 for nothing. Received: {field}=None"
                )
            if value is not None:
                parsed = units.parse(field, value, units.BYTES, zero=reserve)
                object.__setattr__(self, field, int(parsed))
        for field in ("flash", "ram"):
            total, reserve = getattr(self, field), getattr(self, f"{field}_reserve")
            if total is not None and reserve >= total:
                raise ValueError(
                    f"Argument `{field}_reserve` must be below the {total} bytes of `{field}`: "
                    f"say what the runtime and the application of device {self.name!r} need. "
                    f"Received: {field}_reserve={reserve}"
                )
        if self.bank is not None and (self.ram is None or int(self.bank) > int(self.ram)):
            raise ValueError(
                f"Argument `bank` must be a part of the {self.ram or 'unlimited'} bytes of `ram`; "
                f"leave it out where that is one piece. Received: bank={self.bank}"
            )
        if self.latency is not None:
            check_latency(self.latency)

    @property
    def model_flash(self) -> int | None:
        """Bytes of flash that a model may have.

        Returns:
            `flash` less its reserve; None for no limit.

        Example:

        >>> import kerasnas as kn
        >>> kn.hardware.DEVICES["nucleo-f446re"].model_flash
        393216
        """
        return None if self.flash is None else int(self.flash) - int(self.flash_reserve)

    @property
    def model_ram(self) -> int | None:
        """Bytes of RAM that the tensor arena may have.

        Returns:
            `ram` less its reserve, and no more than `bank`; None for no limit.

        Example:

        >>> import kerasnas as kn
        >>> kn.hardware.DEVICES["nucleo-f446re"].model_ram
        98304
        """
        if self.ram is None:
            return None
        left = int(self.ram) - int(self.ram_reserve)
        return left if self.bank is None else min(left, int(self.bank))

    @property
    def latency_model(self) -> LatencyModel | None:
        """What tells the milliseconds of a network on it.

        Returns:
            `latency`; without one, that of a board with the same core, scaled by clock, whose
            source and error say so; None where no such board was timed.

        Example:

        >>> import kerasnas as kn
        >>> board = kn.hardware.DEVICES["arduino-nano-33-ble"].latency_model
        >>> "scaled by clock from 120 to 64 MHz" in board.source
        True
        >>> print(board.error)
        20.1% in the median and 54.7% at worst, of 24 timings held out in 4 fits
        """
        if self.latency is not None:
            return self.latency
        return scaled_latency(self.core, self.clock_mhz, self.chip)
