"""This machine's time of a file is measured, and said to be just that."""

import keras
import pytest

import kerasnas as kn
from kerasnas.hardware import HostLatency, LatencyMeasurement, measure_latency


@pytest.fixture(scope="module")
def model():
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((4,), name="right")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(left))
    return keras.Model([left, right], keras.layers.Concatenate()([pooled, right]))


def check(found, runs, threads):
    assert isinstance(found, LatencyMeasurement)
    assert 0 < found.low <= found.median <= found.high
    assert (found.runs, found.threads) == (runs, threads)
    assert "on this machine" in str(found)


def test_a_file_is_timed(model):
    data = kn.export.to_tflite(model)
    check(measure_latency(data, threads=2, warmup=0, runs=7), 7, 2)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_model_is_converted_and_timed(model, dtype):
    host = HostLatency(dtype=dtype, runs=5)
    check(host.measure(model), 5, 1)
    assert dtype in str(host)


@pytest.mark.parametrize("bad", [{"threads": 0}, {"runs": 0}, {"runs": 1.5}, {"warmup": -1}])
def test_a_count_out_of_range_names_the_argument(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name}={bad[name]}"):
        HostLatency(**bad)
    with pytest.raises(ValueError, match=f"{name}={bad[name]}"):
        measure_latency(b"", **bad)


def test_bad_input_is_a_clear_error():
    with pytest.raises(ValueError, match="dtype='int4'"):
        HostLatency(dtype="int4")
    endless = keras.Sequential([keras.Input((None, 3), name="x"), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="known shape; input 'x'"):
        HostLatency().measure(endless)
    with pytest.raises(ValueError, match="data"):
        measure_latency(b"no model")


def test_what_is_measured_is_what_the_other_limits_of_a_budget_hold_for():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert HostLatency().dtype == kn.profile(model).dtype == "int8"


def test_a_layer_that_is_always_0_is_timed_as_int8_too():
    dead = keras.layers.Dense(1, "relu", kernel_initializer=keras.initializers.Constant(-1))
    model = keras.Sequential([keras.Input((4,)), dead, keras.layers.Dense(1)])
    check(HostLatency(runs=3).measure(model), 3, 1)
