"""Boards and phones by name: their memory, and what of it a model may have.

Flash and RAM are those of the data sheets that each entry names. Neither is all for the model: the
reserves below are for the runtime and the application, and differ between applications, so they
can be set.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from types import MappingProxyType

from kerasnas.hardware import units
from kerasnas.hardware.latency import LatencyModel
from kerasnas.hardware.latency.boards import BOARDS
from kerasnas.hardware.latency.clocks import scaled_latency
from kerasnas.hardware.latency.model import check_clock
from kerasnas.hardware.latency.validation import check_latency

_KB, _MB, _GB = 1024, 1024**2, 1024**3

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
        ram: Bytes of RAM, likewise.
        flash_reserve: What of the flash the runtime and the application need; 0 for nothing.
        ram_reserve: What of the RAM they need beside the tensor arena, and in it the scratch
            buffers of the device's own kernels, which the reference kernels do not ask for.
        bank: The largest part of the RAM with consecutive addresses, in which the tensor arena
            must lie; None for all of it.
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
            check_clock("clock_mhz", self.clock_mhz)
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


_KNOWN = (
    Device(
        "arduino-nano-33-ble",
        1 * _MB,
        256 * _KB,
        ram_reserve=64 * _KB,  # Mbed OS and the Bluetooth stack, too.
        source="Nordic nRF52840 Product Specification v1.1, section 4",
        chip="nRF52840",
        core="Cortex-M4F",
        clock_mhz=64,
    ),
    Device(
        "bbc-microbit-v2",
        512 * _KB,
        128 * _KB,
        source="Nordic nRF52833 Product Specification v1.3, section 4",
        chip="nRF52833",
        core="Cortex-M4F",
        clock_mhz=64,
    ),
    Device(
        "raspberry-pi-pico",
        2 * _MB,
        264 * _KB,
        source="Raspberry Pi Pico Datasheet, section 1; RP2040 Datasheet, section 2.6",
        chip="RP2040",
        core="Cortex-M0+",
        clock_mhz=133,
    ),
    Device(
        "raspberry-pi-pico-2",
        4 * _MB,
        520 * _KB,
        source="Raspberry Pi Pico 2 Datasheet, section 1; RP2350 Datasheet, section 4.2",
        chip="RP2350",
        core="Cortex-M33",
        clock_mhz=150,
    ),
    Device(
        "esp32",
        4 * _MB,
        520 * _KB,
        flash_reserve=1 * _MB,  # ESP-IDF with Wi-Fi; partitions for updates need more.
        ram_reserve=360 * _KB,  # 200 KB hold instructions and caches; FreeRTOS and drivers.
        bank=160 * _KB,  # "the maximum statically allocated DRAM usage is 160KB"
        source="ESP32 Series Datasheet, section 1 (4 MB: ESP32-WROOM-32E); ESP-IDF Programming "
        "Guide, Memory Types",
        chip="ESP32",
        core="Xtensa LX6",
        clock_mhz=240,
    ),
    Device(
        "esp32-s3",
        8 * _MB,
        512 * _KB,
        flash_reserve=1 * _MB,
        ram_reserve=256 * _KB,  # Caches, instructions, FreeRTOS and drivers.
        source="ESP32-S3 Series Datasheet, section 1 (8 MB: ESP32-S3-DevKitC-1-N8)",
        chip="ESP32-S3",
        core="Xtensa LX7",
        clock_mhz=240,
    ),
    Device(
        "sparkfun-edge",
        1 * _MB,
        384 * _KB,
        source="Ambiq Apollo3 Blue SoC Datasheet, Features",
        chip="Apollo3",
        core="Cortex-M4F",
        clock_mhz=48,  # 96 in its burst mode, which an application must ask for.
    ),
    Device(
        "stm32f746g-disco",
        1 * _MB,
        320 * _KB,
        source="STM32F746NG: ST DS10916, Features (the 16 KB for instructions left out)",
        chip="STM32F746NG",
        core="Cortex-M7",
        clock_mhz=216,
    ),
    Device(
        "nucleo-f446re",
        512 * _KB,
        128 * _KB,
        source="STM32F446RE: ST DS10693, Features",
        chip="STM32F446RE",
        core="Cortex-M4F",
        clock_mhz=180,
    ),
    Device(
        "nucleo-l4r5zi",
        2 * _MB,
        640 * _KB,
        latency=BOARDS["nucleo-l4r5zi, TFLM reference kernels"],
        source="STM32L4R5ZI: ST DS12023, Features",
        chip="STM32L4R5ZI",
        core="Cortex-M4F",
        clock_mhz=120,
    ),
    Device(
        "nucleo-h743zi",
        2 * _MB,
        1 * _MB,
        bank=512 * _KB,  # AXI SRAM
        source="STM32H743ZI: ST DS12110, Features",
        chip="STM32H743ZI",
        core="Cortex-M7",
        clock_mhz=480,
    ),
    Device(
        "nucleo-h7a3zi",
        2 * _MB,
        1380 * _KB,
        bank=1 * _MB,  # AXI SRAM
        latency=BOARDS["nucleo-h7a3zi, X-CUBE-AI 8.0"],
        source="STM32H7A3ZI: ST DS13195, Features",
        chip="STM32H7A3ZI",
        core="Cortex-M7",
        clock_mhz=280,
    ),
    Device(
        "arduino-portenta-h7",
        2 * _MB,
        1 * _MB,
        bank=512 * _KB,  # AXI SRAM
        source="STM32H747XI: ST DS12930, Features (the external memories left out)",
        chip="STM32H747XI",
        core="Cortex-M7",
        clock_mhz=480,
    ),
    Device(
        "teensy-4.1",
        7936 * _KB,
        1 * _MB,
        bank=512 * _KB,
        source="PJRC, Teensy 4.1 Development Board, Memory",
        chip="IMXRT1062",
        core="Cortex-M7",
        clock_mhz=600,
    ),
    Device(
        "raspberry-pi-4",
        None,
        1 * _GB,
        flash_reserve=0,
        ram_reserve=512 * _MB,  # The operating system.
        source="Raspberry Pi 4 Model B Datasheet, section 2, the model with 1 GB",
        chip="BCM2711",
    ),
    Device(
        "pixel-3",
        None,
        4 * _GB,
        flash_reserve=0,
        ram_reserve=3584 * _MB,  # Android leaves an app a few hundred MB.
        source="Google, Pixel 3 tech specs",
        chip="SDM845",
    ),
)

DEVICES: Mapping[str, Device] = MappingProxyType({device.name: device for device in _KNOWN})
"""Boards and phones by name, each with the data sheet that its figures are from.

Example:

```python
kn.hardware.DEVICES["esp32"].model_ram   # 163840
kn.Budget.for_device("esp32").ram        # the same
```
"""


def find_device(name: str) -> Device:
    """Returns a device by its name or that of its chip, in any case.

    Args:
        name: A name of `DEVICES`, or of the chip of one; spaces and underscores stand for hyphens.

    Returns:
        The device.

    Raises:
        TypeError: `name` is no string.
        ValueError: No device has this name; the error says which names are like it.
    """
    if not isinstance(name, str):
        raise TypeError(
            "Argument `device` must be a name or a kerasnas.hardware.Device. "
            f"Received: device={name!r} of type {type(name).__name__}"
        )
    key = "-".join(name.strip().lower().replace("_", "-").split())
    if key in DEVICES:
        return DEVICES[key]
    chips = {device.chip.lower(): device for device in _KNOWN}
    if key in chips:
        return chips[key]
    near = difflib.get_close_matches(key, [*DEVICES, *chips], n=3, cutoff=0.4) or list(DEVICES)
    raise ValueError(
        f"Argument `device` names none that is known. Did you mean {', '.join(near)}? All names "
        "are in kerasnas.hardware.DEVICES; one of your own is kerasnas.hardware.Device(name, "
        f"flash=, ram=). Received: device={name!r}"
    )


def timed_devices() -> str:
    """Returns the names of the devices that have a latency model, timed or scaled."""
    timed = [name for name, device in DEVICES.items() if device.latency is not None]
    told = [name for name, device in DEVICES.items() if device.latency_model is not None]
    scaled = [name for name in told if name not in timed]
    return f"{', '.join(timed)}; scaled by clock from these, {', '.join(scaled)}"
