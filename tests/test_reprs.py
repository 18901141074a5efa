"""What a notebook shows of an object is one line."""

import keras
import numpy as np

import kerasnas as kn


def tiny():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax", name="out")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_profile_shows_its_totals():
    text = repr(kn.profile(tiny()))
    assert text.startswith("Profile(int8: params=10, macs=8, flash_bytes=")
    assert "layers)" in text
    assert len(text) < 150


def test_a_budget_shows_the_limits_that_are_set():
    budget = kn.Budget(flash="64KB", macs="2M")
    assert repr(budget) == "Budget(macs=2000000, flash=65536)"
    assert eval(repr(budget), {"Budget": kn.Budget}) == budget
    assert repr(kn.Budget()) == "Budget()"


def test_a_budget_of_a_device_shows_whose_timings_tell_its_latency():
    text = repr(kn.Budget.for_device("arduino-nano-33-ble"))
    assert text.startswith("Budget(flash=917504, ram=196608, latency=LatencyModel(int8 files, ")
    assert "of timings scaled by clock from 120 to 64 MHz: 4 timings of nucleo-l4r5zi" in text
    assert "20.1% in the median" in text
    assert len(text) < 250
    assert "error not measured" in repr(kn.hardware.LatencyModel(1, {}, "mine"))


def test_a_compressed_model_shows_its_size_steps_and_score():
    x, y = np.random.default_rng(0).normal(size=(32, 4)).astype("float32"), np.arange(32) % 2
    small = kn.compress(tiny(), [kn.Quantize("int8")], train_data=(x, y), validation_data=(x, y))
    text = repr(small)
    assert f"{len(small.tflite):,} bytes" in text
    assert "quantize int8" in text
    assert "accuracy=" in text
    assert len(text) < 150


def test_a_tuner_shows_how_far_it_is(tmp_path):
    def build(hp):
        hp.Int("units", 1, 4)
        return tiny()

    tuner = kn.Evolution(build, "accuracy", 2, directory=tmp_path, project_name="p")
    assert repr(tuner).startswith("<Evolution of ")
    assert repr(tuner).endswith(f"build: 0 of 2 trials in {tmp_path}/p>")
    tuner.search(np.ones((8, 4)), np.zeros(8), verbose=0)
    assert f": 2 of 2 trials in {tmp_path}/p, best " in repr(tuner)
