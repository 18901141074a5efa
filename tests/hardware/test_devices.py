"""A device by name, or of one's own, is a budget."""

import pytest

import kerasnas as kn
from kerasnas.hardware import DEVICES, LatencyModel

KB, MB = 1024, 1024**2


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_leaves_room_for_a_model_and_names_its_source(name):
    device = DEVICES[name]
    assert device.name == name == name.lower()
    assert device.source
    budget = kn.Budget.for_device(name)
    assert budget.ram >= 90 * KB
    assert budget.ram < device.ram
    assert device.flash is None or 256 * KB <= budget.flash < device.flash
    assert device.bank is None or budget.ram <= device.bank < device.ram
    assert budget.latency == device.latency_model
    assert device.latency in (None, budget.latency)
    assert (device.clock_mhz is None) == (device.core == "")
    assert budget.latency_ms is None


def test_what_data_sheets_say():
    totals = {
        "arduino-nano-33-ble": (1 * MB, 256 * KB),
        "bbc-microbit-v2": (512 * KB, 128 * KB),
        "raspberry-pi-pico": (2 * MB, 264 * KB),
        "nucleo-l4r5zi": (2 * MB, 640 * KB),
        "sparkfun-edge": (1 * MB, 384 * KB),
    }
    assert {name: (DEVICES[name].flash, DEVICES[name].ram) for name in totals} == totals


@pytest.mark.parametrize(
    "name", ["Arduino-Nano-33-BLE", " arduino nano 33 ble ", "ARDUINO_NANO_33_BLE"]
)
def test_names_are_read_in_any_case(name):
    budget = kn.Budget.for_device(name, latency=None)
    assert budget == kn.Budget(flash=896 * KB, ram=192 * KB)


def test_limits_take_the_place_of_the_devices():
    budget = kn.Budget.for_device("nucleo-f446re", flash="100KB", macs="5M")
    assert (budget.flash, budget.ram, budget.macs) == (100 * KB, 96 * KB, 5_000_000)
    assert kn.Budget.for_device("nucleo-f446re", ram=None).ram is None


def test_a_latency_limit_is_told_by_the_device():
    budget = kn.Budget.for_device("nucleo-l4r5zi", latency_ms=100)
    assert isinstance(budget.latency, LatencyModel)
    assert budget.latency_ms == 100
    other = LatencyModel(1, {}, "mine")
    assert kn.Budget.for_device("nucleo-l4r5zi", latency_ms=100, latency=other).latency is other
    with pytest.raises(ValueError, match=r"fast device 'esp32'.*nucleo-l4r5zi, nucleo-h7a"):
        kn.Budget.for_device("esp32", latency_ms=100)
    assert kn.Budget.for_device("esp32", latency_ms=9, latency=other).latency_ms == 9


@pytest.mark.parametrize(
    ("chip", "name"),
    [("nRF52840", "arduino-nano-33-ble"), ("stm32l4r5zi", "nucleo-l4r5zi"), ("ESP32", "esp32")],
)
def test_devices_are_found_by_their_chips(chip, name):
    assert kn.Budget.for_device(chip) == kn.Budget.for_device(name)


def test_every_device_has_a_chip_of_its_own():
    chips = [device.chip.lower() for device in DEVICES.values()]
    assert all(chips)
    assert len({*chips}) == len(chips)
    with pytest.raises(ValueError, match="Did you mean nrf52840"):
        kn.Budget.for_device("nrf52841")


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(ValueError, match=r"stm32f746g-disco.*Device\(.*'stm32f746-disco'"):
        kn.Budget.for_device("stm32f746-disco")
    # The chip of this board has the board's name, which is told once.
    with pytest.raises(ValueError, match=r"Did you mean esp32, esp32-s3, \S+\?"):
        kn.Budget.for_device("esp-32")
    with pytest.raises(ValueError, match="pixel-3"):
        kn.Budget.for_device("???")
    with pytest.raises(TypeError, match="int"):
        kn.Budget.for_device(5)
