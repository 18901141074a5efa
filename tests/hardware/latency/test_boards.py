"""The coefficients of boards that ship."""

import dataclasses

import pytest

import kerasnas as kn
from kerasnas.hardware import BOARDS, MICROCONTROLLER

CONV, DEPTHWISE = "CONV_2D", "DEPTHWISE_CONV_2D"


def test_depthwise_macs_cost_more_on_microcontrollers():
    cost = MICROCONTROLLER.costs
    assert cost[CONV].macs == 1
    assert 1.5 < cost[DEPTHWISE].macs < 10
    assert 0.3 < cost["FULLY_CONNECTED"].macs < 3


PUBLISHED = {
    "nucleo-l4r5zi, TFLM reference kernels": {"KWS": 181.9, "IC": 704, "VWW": 601, "AD": 10.05},
    "nucleo-l4r5zi, X-CUBE-AI 8.0": {"KWS": 72.7, "IC": 222.0, "VWW": 221.1, "AD": 7.6},
    "nucleo-l4r5zi, microTVM + CMSIS-NN": {"KWS": 99.8, "IC": 389.6, "VWW": 300.8, "AD": 8.6},
    "nucleo-h7a3zi, X-CUBE-AI 8.0": {"KWS": 16.4, "IC": 54.9, "VWW": 50.3, "AD": 1.8},
}


FILES = {
    "KWS": "keyword_spotting__kws_ref_model",
    "IC": "image_classification__pretrainedResnet_quant",
    "VWW": "visual_wake_words__vww_96_int8",
    "AD": "anomaly_detection__ad01_int8",
}


@pytest.mark.parametrize("board", PUBLISHED)
def test_published_timings_are_met(data_folder, board):
    for network, expected in PUBLISHED[board].items():
        data = (data_folder / "mlperf_tiny" / f"{FILES[network]}.tflite").read_bytes()
        predicted = BOARDS[board].predict(kn.hardware.profile_tflite(data))
        assert predicted == pytest.approx(expected, rel=0.15)


def test_what_ships_says_where_it_is_from():
    for model in (MICROCONTROLLER, *BOARDS.values()):
        assert "reference kernels" in str(model)
    assert all(model.error.timings == 4 for model in BOARDS.values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        MICROCONTROLLER.constant = 0
