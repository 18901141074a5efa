"""Boards and phones by name.

Flash and RAM are those of the data sheets that each entry names. Neither is all for the model: the
reserves are for the runtime and the application, and differ between applications, so they can be
set.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from kerasnas.hardware.device import Device
from kerasnas.hardware.latency.boards import BOARDS

_KB, _MB, _GB = 1024, 1024**2, 1024**3

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
    known = {**{device.chip.lower(): device for device in _KNOWN}, **DEVICES}
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.4) or list(DEVICES)
    raise ValueError(
        f"Argument `device` names none that is known. Did you mean {', '.join(near)}? All names "
        "are in kerasnas.hardware.DEVICES; one of your own is kerasnas.hardware.Device(name, "
        f"flash=, ram=). Received: device={name!r}"
    )


def timed_devices() -> str:
    """Returns the names of the devices that have a latency model, timed or scaled."""
    told = {name: device for name, device in DEVICES.items() if device.latency_model is not None}
    timed = [name for name, device in told.items() if device.latency is not None]
    scaled = [name for name in told if name not in timed]
    return f"{', '.join(timed)}; scaled by clock from these, {', '.join(scaled)}"
