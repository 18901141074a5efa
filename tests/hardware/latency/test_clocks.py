"""A board that nobody timed is told from one with the same core, and what is told says so."""

import keras
import pytest

import kerasnas as kn
from kerasnas.hardware import BOARDS, DEVICES, Device, LatencyModel

L4 = BOARDS["nucleo-l4r5zi, TFLM reference kernels"]
H7 = BOARDS["nucleo-h7a3zi, X-CUBE-AI 8.0"]


@pytest.mark.parametrize(
    ("name", "timed", "board", "ratio"),
    [
        ("arduino-nano-33-ble", L4, "nucleo-l4r5zi", 120 / 64),
        ("bbc-microbit-v2", L4, "nucleo-l4r5zi", 120 / 64),
        ("nucleo-f446re", L4, "nucleo-l4r5zi", 120 / 180),
        ("stm32f746g-disco", H7, "nucleo-h7a3zi", 280 / 216),
        ("nucleo-h743zi", H7, "nucleo-h7a3zi", 280 / 480),
    ],
)
def test_the_same_core_takes_the_same_cycles(name, timed, board, ratio):
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3)])
    found = kn.Budget.for_device(name, latency_ms=50).latency
    profile = kn.profile(model)
    assert found.predict(profile) == pytest.approx(ratio * timed.predict(profile))
    assert f"4 timings of {board}" in found.source
    assert f"scaled by clock from {120 if timed is L4 else 280} to" in found.source
    assert "wait states of the flash, caches" in found.source
    assert found.error.worst >= timed.error.worst
    assert str(found.error) in str(found)


def test_a_board_with_timings_of_its_own_keeps_them():
    for name, model in (("nucleo-l4r5zi", L4), ("nucleo-h7a3zi", H7)):
        assert kn.Budget.for_device(name).latency is DEVICES[name].latency_model is model
        assert "scaled by clock" not in model.source


@pytest.mark.parametrize(
    "name", ["esp32", "esp32-s3", "raspberry-pi-pico", "raspberry-pi-pico-2", "pixel-3"]
)
def test_another_core_is_told_which_boards_have_timings(name):
    assert DEVICES[name].latency_model is None
    said = rf"fast device '{name}' is\. Pass latency=.*nucleo-l4r5zi, nucleo-h7a3zi; scaled"
    with pytest.raises(ValueError, match=said) as error:
        kn.Budget.for_device(name, latency_ms=5)
    assert "arduino-nano-33-ble" in str(error.value)
    assert "same core" not in str(error.value)


def test_a_runtime_of_other_chips_tells_nothing():
    with pytest.raises(
        ValueError, match=r"h7a3zi has the same core.*X-CUBE-AI.*STM32 chips alone.*IMXRT"
    ):
        kn.Budget.for_device("teensy-4.1", latency_ms=5)


def test_a_board_of_ones_own():
    def board(**known):
        return Device("mine", flash="512KB", ram="96KB", **known)

    assert board().latency_model is None
    assert board(core="Cortex-M4F", clock_mhz=60).latency_model.constant == 2 * L4.constant
    ours = board(core="Cortex-M7", clock_mhz=140, chip="stm32h7b0")
    assert ours.latency_model.constant == 2 * H7.constant
    with pytest.raises(ValueError, match=r"same core: with `clock_mhz=`"):
        kn.Budget.for_device(board(core="Cortex-M4F"), latency_ms=5)
    with pytest.raises(ValueError, match=r"STM32 chips alone, and its chip is ''"):
        kn.Budget.for_device(board(core="Cortex-M7", clock_mhz=140), latency_ms=5)
    mine = LatencyModel(1, {}, "timings of mine")
    assert board(core="Cortex-M4F", clock_mhz=60, latency=mine).latency_model is mine


@pytest.mark.parametrize(
    ("bad", "error"),
    [("64MHz", TypeError), (True, TypeError), (0, ValueError), (float("nan"), ValueError)],
)
def test_a_clock_is_a_number_of_mhz(bad, error):
    with pytest.raises(error, match=r"`clock_mhz`.*MHz"):
        Device("mine", flash="512KB", ram="96KB", core="Cortex-M4F", clock_mhz=bad)
    with pytest.raises(error, match=r"`mhz`.*MHz"):
        L4.at_clock(bad, timed_at=120)
    with pytest.raises(error, match=r"`timed_at`.*MHz"):
        L4.at_clock(64, timed_at=bad)


def test_a_core_is_a_name():
    with pytest.raises(TypeError, match=r"`core`.*core=4"):
        Device("mine", flash="512KB", ram="96KB", core=4)


def test_what_was_not_measured_at_a_clock_has_no_error():
    scaled = H7.at_clock(140, timed_at=280)
    assert scaled.error is None
    assert scaled.costs["CONV_2D"].macs == pytest.approx(2 * H7.costs["CONV_2D"].macs)
    assert "scaled by clock from 280 to 140 MHz" in str(scaled)
    assert "not measured" in str(scaled)
