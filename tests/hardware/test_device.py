"""A device of the user's own."""

import dataclasses

import pytest

import kerasnas as kn
from kerasnas.hardware import Device, LatencyModel

KB, MB = 1024, 1024**2


def test_a_board_of_ones_own():
    budget = kn.Budget.for_device(Device("mine", flash="512KB", ram="96KB"))
    assert budget == kn.Budget(flash="384KB", ram="64KB")
    bare = Device("mine", flash="64KB", ram="20KB", flash_reserve=0, ram_reserve="4KB", bank="8KB")
    assert kn.Budget.for_device(bare) == kn.Budget(flash="64KB", ram="8KB")
    assert kn.Budget.for_device(Device("mine", flash=None, ram=None)) == kn.Budget()
    fast = dataclasses.replace(bare, latency=LatencyModel(1, {}, "it"))
    assert kn.Budget.for_device(fast, latency_ms="2ms").latency_ms == 2


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
