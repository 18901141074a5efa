"""A device by name, or of one's own, is a budget."""

import dataclasses

import pytest

import kerasnas as kn
from kerasnas.hardware import DEVICES, Device, LatencyModel

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


def test_a_board_of_ones_own():
    budget = kn.Budget.for_device(Device("mine", flash="512KB", ram="96KB"))
    assert budget == kn.Budget(flash="384KB", ram="64KB")
    bare = Device("mine", flash="64KB", ram="20KB", flash_reserve=0, ram_reserve="4KB", bank="8KB")
    assert kn.Budget.for_device(bare) == kn.Budget(flash="64KB", ram="8KB")
    assert kn.Budget.for_device(Device("mine", flash=None, ram=None)) == kn.Budget()
    fast = dataclasses.replace(bare, latency=LatencyModel(1, {}, "it"))
    assert kn.Budget.for_device(fast, latency_ms="2ms").latency_ms == 2


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(ValueError, match=r"stm32f746g-disco.*Device\(.*'stm32f746-disco'"):
        kn.Budget.for_device("stm32f746-disco")
    with pytest.raises(ValueError, match="pixel-3"):
        kn.Budget.for_device("???")
    with pytest.raises(TypeError, match="int"):
        kn.Budget.for_device(5)


def test_a_device_without_room_says_what_takes_it():
    with pytest.raises(ValueError, match=r"flash_reserve.*mine"):
        Device("mine", flash="64KB", ram="96KB")
    with pytest.raises(ValueError, match=r"ram_reserve.*mine"):
        Device("mine", flash="640KB", ram="16KB")
    tight = Device("mine", flash="64KB", ram="16KB", flash_reserve="1KB", ram_reserve=16 * KB - 10)
    with pytest.raises(ValueError, match=r"'mine' has 10 bytes of ram.*needs 800"):
        kn.Budget.for_device(tight)
    assert kn.Budget.for_device(tight, ram="2KB").ram == 2 * KB


@pytest.mark.parametrize("bad", ["64 bananas", -1, 0, float("nan")])
def test_an_amount_that_is_none_names_the_argument(bad):
    with pytest.raises(ValueError, match="flash"):
        Device("mine", flash=bad, ram="96KB")


@pytest.mark.parametrize("nothing", [0, 0.0, "0", "0KB", "0 B"])
def test_a_reserve_of_nothing(nothing):
    device = Device("mine", flash="64KB", ram="20KB", flash_reserve=nothing, ram_reserve=nothing)
    assert (device.model_flash, device.model_ram) == (64 * KB, 20 * KB)
    assert device.ram_reserve == 0


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"ram_reserve": None}, "`ram_reserve`.*0 for nothing.*ram_reserve=None"),
        ({"flash_reserve": None}, "`flash_reserve`.*flash_reserve=None"),
        ({"ram_reserve": "-1KB"}, "`ram_reserve`"),
        ({"bank": 0}, "`bank` must be above 0"),
        ({"bank": "97KB"}, "`bank`.*98304 bytes of `ram`.*bank=99328"),
        ({"ram": None, "bank": "9KB"}, "`bank`.*`ram`"),
        ({"latency": 5}, r"`latency`.*LatencyModel\.fit.*latency=5"),
        ({"latency": LatencyModel}, "`latency`.*an instance"),
        ({"latency": LatencyModel(1, {}, "it", dtype="float32")}, "`latency`.*int8.*float32"),
        ({"name": 5}, "`name`.*name=5"),
        ({"name": ""}, "`name`.*name=''"),
    ],
)
def test_a_bad_argument_is_named_at_once(bad, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Device(**{"name": "mine", "flash": "512KB", "ram": "96KB", **bad})
