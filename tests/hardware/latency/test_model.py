"""A latency model says what its timings say, and says so."""

import dataclasses
import json

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware import Cost, HeldOut, LatencyModel, Timing, Work

CONV, DEPTHWISE, ADD = "CONV_2D", "DEPTHWISE_CONV_2D", "ADD"


def random_work(rng):
    """What a network does: convolutions of both sorts, and additions."""
    work = {}
    for kind, heavy in ((CONV, True), (DEPTHWISE, True), (ADD, False)):
        count = int(rng.integers(1, 9))
        macs = int(rng.integers(10**4, 10**7)) if heavy else 0
        work[kind] = Work(count, macs, int(rng.integers(10**3, 10**5)))
    return work


def profile(work, dtype="int8"):
    totals = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0}
    return kn.hardware.Profile(
        dtype=dtype, arena_head=0, arena_tail=0, layers=(), work=work, **totals
    )


ms = st.floats(0, 50)


TRUTH = LatencyModel(2.0, {CONV: Cost(0, 10, 0), DEPTHWISE: Cost(0, 60, 0), ADD: Cost()}, "made up")


def test_a_model_is_of_one_dtype(rng, tmp_path, timings):
    rows = timings(TRUTH, rng, 9)
    floats = [dataclasses.replace(row, dtype="float32") for row in rows]
    with pytest.raises(ValueError, match="timing 0 is of int8 and timing 2 of float32"):
        LatencyModel.fit([*rows[:2], *floats[2:]])
    fitted = LatencyModel.fit(floats)
    assert fitted.dtype == "float32"
    assert "float32" in str(fitted)
    fitted.save(tmp_path / "latency.json")
    assert LatencyModel.load(tmp_path / "latency.json") == fitted
    work = random_work(rng)
    assert fitted.predict(profile(work, "float32")) > 0
    with pytest.raises(ValueError, match=r"is of int8 and the latency model .* of float32.*dtype="):
        fitted.predict(profile(work))
    with pytest.raises(ValueError, match=r"`like` is of int8.*dataclasses\.replace"):
        LatencyModel.fit(floats[:3], like=TRUTH)
    same = dataclasses.replace(TRUTH, dtype="float32")
    assert LatencyModel.fit(floats[:3], like=same).dtype == "float32"


def test_a_kind_that_was_never_timed(rng, timings):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 30))
    work = {CONV: Work(1, 10**6, 10)}
    fitted.predict(profile({**work, "TANH": Work(1, 0, 100)}))
    with pytest.raises(ValueError, match=r"no cost of FULLY_CONNECTED.*CONV_2D"):
        fitted.predict(profile({**work, "FULLY_CONNECTED": Work(1, 10, 10)}))


def test_nothing_is_predicted_from_nothing():
    with pytest.raises(ValueError, match="says nothing of its operators"):
        TRUTH.predict(profile({}))
    with pytest.raises(ValueError, match="empty"):
        LatencyModel.fit([])


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_costs_are_never_negative(bad):
    with pytest.raises(ValueError, match="constant"):
        LatencyModel(bad, {}, "")
    with pytest.raises(ValueError, match=r"costs\['ADD'\].values"):
        LatencyModel(0, {ADD: Cost(values=bad)}, "")


WORK = {CONV: Work(1, 10, 10)}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (5, r"`timings` must be.*Received: timings=5"),
        ([(profile(WORK), 1.0, "small")], r"timing 0 must be a Timing or a pair"),
        ([(profile(WORK),)], r"timing 0 must be"),
        ([7], r"timing 0 must be.*7"),
        ([Timing(WORK, 1.0), (profile(WORK), "fast")], r"timing 1.*milliseconds.*'fast'"),
        ([(profile(WORK), None)], r"timing 0.*milliseconds.*None"),
        ([("small.tflite", 1.0)], r"timing 0.*read_bytes.*'small.tflite'"),
        ([(profile(WORK), -1.0)], r"timing 0.*above 0.*-1"),
        ([(b"no model", 1.0)], r"timing 0.*\.tflite"),
    ],
)
def test_a_bad_row_is_named(rows, said):
    with pytest.raises((TypeError, ValueError), match=f"(?s){said}"):
        LatencyModel.fit(rows)


def test_bad_arguments_of_a_fit_are_named(rng, timings):
    rows = timings(TRUTH, rng, 9)
    with pytest.raises(TypeError, match=r"`like` must be.*MICROCONTROLLER.*like='x'"):
        LatencyModel.fit(rows, like="x")
    with pytest.raises(TypeError, match="source=5"):
        LatencyModel.fit(rows, source=5)
    nothing = [Timing(row.work, 0.0, f"{i}", whole=False) for i, row in enumerate(rows)]
    with pytest.raises(ValueError, match="`timings` are all 0 ms"):
        LatencyModel.fit(nothing)
    with pytest.raises(ValueError, match="`timings` are all 0 ms"):
        LatencyModel.fit(nothing, like=TRUTH)


def test_only_a_profile_is_predicted():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(TypeError, match=r"`profile`.*kn\.profile\(model\).*Sequential"):
        TRUTH.predict(model)
    with pytest.raises(TypeError, match=r"`profile`.*kn\.hardware\.profile_tflite.*bytes"):
        TRUTH.predict(b"TFL3")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"constant": "1"}, "constant.*'1'"),
        ({"constant": None}, "constant.*None"),
        ({"costs": [Cost()]}, "`costs` must be a mapping"),
        ({"costs": {ADD: 5}}, r"costs\['ADD'\].*Cost.*5"),
        ({"costs": {ADD: (1, 2, 3, 4)}}, r"costs\['ADD'\].*Cost"),
        ({"costs": {ADD: {"macs": 1}}}, r"costs\['ADD'\].*Cost"),
        ({"costs": {ADD: Cost(macs="1")}}, r"costs\['ADD'\]\.macs.*'1'"),
        ({"costs": {5: Cost()}}, "`costs`.*5"),
        ({"source": None}, "source=None"),
        ({"error": 0.5}, "error=0.5"),
        ({"dtype": 8}, "dtype=8"),
    ],
)
def test_a_model_of_wrong_types_names_the_argument(change, said):
    with pytest.raises(TypeError, match=said):
        dataclasses.replace(TRUTH, **change)


@settings(deadline=None, max_examples=25)
@given(
    constant=ms,
    costs=st.dictionaries(st.text(min_size=1), st.tuples(ms, ms, ms)),
    source=st.text(),
    error=st.none() | st.tuples(ms, ms, st.integers(1, 99), st.integers(1, 99)),
)
def test_a_model_is_the_same_after_it_was_saved(tmp_path_factory, constant, costs, source, error):
    path = tmp_path_factory.mktemp("model") / "latency.json"
    model = LatencyModel(constant, costs, source, error and HeldOut(*error))
    model.save(path)
    assert LatencyModel.load(path) == model


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"constant": 1, "costs": {"ADD": {"mac": 1}}}'])
def test_a_file_that_holds_no_model(tmp_path, text):
    path = tmp_path / "latency.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"latency\.json holds no latency model"):
        LatencyModel.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"latency\.json holds no latency model"):
        LatencyModel.load(path)


def test_a_negative_number_in_a_file_is_an_error(tmp_path):
    path = tmp_path / "latency.json"
    TRUTH.save(path)
    state = json.loads(path.read_text())
    state["constant"] = -1
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="constant"):
        LatencyModel.load(path)


def test_a_keras_model_is_predicted():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.DepthwiseConv2D(3)]
    found = kn.profile(keras.Sequential(layers))
    macs = {kind: done.macs for kind, done in found.work.items()}
    assert TRUTH.predict(found) == pytest.approx(
        2 + 10 * macs[CONV] / 1e6 + 60 * macs[DEPTHWISE] / 1e6
    )
