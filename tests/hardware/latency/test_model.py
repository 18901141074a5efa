"""A latency model says what its timings say, and says so."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware import BOARDS, MICROCONTROLLER, Cost, HeldOut, LatencyModel, Timing, Work

CONV, DEPTHWISE, ADD = "CONV_2D", "DEPTHWISE_CONV_2D", "ADD"


def random_work(rng):
    """What a network does: convolutions of both sorts, and additions."""
    work = {}
    for kind, heavy in ((CONV, True), (DEPTHWISE, True), (ADD, False)):
        count = int(rng.integers(1, 9))
        macs = int(rng.integers(10**4, 10**7)) if heavy else 0
        work[kind] = Work(count, macs, int(rng.integers(10**3, 10**5)))
    return work


def timings(model, rng, count, noise=0.0):
    found = []
    for _ in range(count):
        work = random_work(rng)
        ms = model.predict(profile(work)) * (1 + noise * rng.standard_normal())
        found.append(Timing(work, ms))
    return found


def profile(work, dtype="int8"):
    totals = {"params": 0, "macs": 0, "flash_bytes": 0, "ram_bytes": 0}
    return kn.hardware.Profile(
        dtype=dtype, arena_head=0, arena_tail=0, layers=(), work=work, **totals
    )


ms = st.floats(0, 50)


@settings(deadline=None, max_examples=25)
@given(
    constant=ms,
    each=st.floats(0, 2),
    costs=st.lists(st.tuples(st.floats(0.01, 50), st.floats(0, 500)), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_fit_predicts_as_what_made_its_timings(constant, each, costs, seed):
    (conv, conv_values), (depthwise, depthwise_values), (_, add_values) = costs
    truth = LatencyModel(
        constant,
        {
            CONV: Cost(each, conv, conv_values),
            DEPTHWISE: Cost(each, depthwise, depthwise_values),
            ADD: Cost(each, 0, add_values),
        },
        "made up",
    )
    rng = np.random.default_rng(seed)
    fitted = LatencyModel.fit(timings(truth, rng, 30))
    for _ in range(5):
        other = profile(random_work(rng))
        assert fitted.predict(other) == pytest.approx(truth.predict(other), rel=1e-3)
    assert fitted.error.worst < 1e-3
    assert fitted.error.timings == 30


TRUTH = LatencyModel(2.0, {CONV: Cost(0, 10, 0), DEPTHWISE: Cost(0, 60, 0), ADD: Cost()}, "made up")


def test_noise_is_in_the_error_of_what_was_held_out(rng):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 60, noise=0.1))
    assert 0.03 < fitted.error.median < 0.2
    assert fitted.error.fits == 10
    assert fitted.costs[DEPTHWISE].macs / fitted.costs[CONV].macs == pytest.approx(6, rel=0.3)


def test_few_timings_get_few_coefficients(rng):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 9))
    assert set(fitted.costs) == {CONV, DEPTHWISE}
    assert fitted.constant == pytest.approx(2)
    with pytest.raises(ValueError, match=r"9 in all.*like=.*8 timings"):
        LatencyModel.fit(timings(TRUTH, rng, 8))


def test_ratios_are_kept_where_there_are_few_timings(rng):
    twice = LatencyModel(7.0, {k: Cost(*(2 * p for p in c)) for k, c in TRUTH.costs.items()}, "it")
    fitted = LatencyModel.fit(timings(twice, rng, 4), like=TRUTH, source="a board")
    assert fitted.costs[DEPTHWISE].macs == pytest.approx(120)
    assert fitted.constant == pytest.approx(7)
    assert fitted.error.timings == 4
    assert "a board" in str(fitted)
    assert "made up" in str(fitted)


def test_one_timing_gives_a_scale(rng):
    work = random_work(rng)
    timed = 3 * TRUTH.predict(profile(work))
    fitted = LatencyModel.fit([(profile(work), timed)], like=TRUTH)
    assert fitted.constant == pytest.approx(6)
    assert fitted.costs[CONV].macs == pytest.approx(30)
    assert fitted.error is None
    assert "not measured" in str(fitted)


def test_operators_that_were_timed_one_by_one(rng):
    rows = []
    for model in ("a", "b", "c", "d"):
        for _ in range(6):
            work = random_work(rng)
            kind = str(rng.choice([CONV, DEPTHWISE]))
            one = {kind: work[kind]}
            rows.append(Timing(one, TRUTH.predict(profile(one)) - 2, model, whole=False))
    fitted = LatencyModel.fit(rows)
    assert fitted.constant == 0
    assert fitted.costs[DEPTHWISE].macs == pytest.approx(60)
    assert (fitted.error.timings, fitted.error.fits) == (4, 4)
    alone = LatencyModel.fit([row for row in rows if row.model == "a"])
    assert (alone.error.timings, alone.error.fits) == (1, 6)


def test_a_model_that_was_timed_again_is_one_timing(rng):
    nine = timings(TRUTH, rng, 9)
    slower = [dataclasses.replace(row, ms=2 * row.ms) for row in nine]
    faster = [
        dataclasses.replace(row, ms=row.ms / 9, model=f"copy {i}") for i, row in enumerate(nine)
    ]
    fitted = LatencyModel.fit([*slower, *nine, *faster])
    once = LatencyModel.fit(nine)
    assert fitted.constant == pytest.approx(once.constant)
    assert fitted.error == pytest.approx(once.error)
    assert "27 timings of 9 models, of each the median" in fitted.source
    assert "median" not in once.source
    with pytest.raises(ValueError, match=r"9 in all.*like=.*27 timings of 3 distinct models"):
        LatencyModel.fit(nine[:3] * 9)
    scaled = LatencyModel.fit(nine[:1] * 9, like=TRUTH)
    assert scaled.error is None
    assert scaled.constant == pytest.approx(2)


def test_no_model_is_held_out_of_a_fit_that_saw_it(rng):
    """Noise that no network shares cannot be predicted: a leak would hide it."""
    alone = timings(TRUTH, rng, 12, noise=0.3)
    twins = [dataclasses.replace(row, model=f"{i}") for i, row in enumerate(alone * 2)]
    assert LatencyModel.fit(twins).error == pytest.approx(LatencyModel.fit(alone).error)


def test_operators_of_one_model_under_two_names_are_held_out_together(rng):
    kinds = [CONV, DEPTHWISE, CONV, DEPTHWISE, CONV, DEPTHWISE]
    rows = []
    for kind in kinds:
        one = {kind: random_work(rng)[kind]}
        rows.append(Timing(one, TRUTH.predict(profile(one)) - 2, "a", whole=False))
    renamed = [dataclasses.replace(row, model="b") for row in rows]
    both = LatencyModel.fit([*rows, *renamed])
    assert (both.error.timings, both.error.fits) == (1, 6)
    with pytest.raises(ValueError, match="12 timings of 2 distinct operators"):
        LatencyModel.fit(rows[:2] * 6)


def test_a_model_is_of_one_dtype(rng, tmp_path):
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


def test_a_kind_that_was_never_timed(rng):
    fitted = LatencyModel.fit(timings(TRUTH, rng, 30))
    work = {CONV: Work(1, 10**6, 10)}
    fitted.predict(profile({**work, "TANH": Work(1, 0, 100)}))
    with pytest.raises(ValueError, match=r"no cost of FULLY_CONNECTED.*CONV_2D"):
        fitted.predict(profile({**work, "FULLY_CONNECTED": Work(1, 10, 10)}))


def test_a_kind_without_macs_that_was_never_timed_costs_as_the_slowest(rng):
    truth = LatencyModel(
        1.0, {CONV: Cost(macs=1), DEPTHWISE: Cost(macs=2), ADD: Cost(0, 0, 500)}, ""
    )
    fitted = LatencyModel.fit(timings(truth, rng, 60))
    million = profile({"TANH": Work(1, 0, 10**6)})
    assert fitted.predict(million) == pytest.approx(501, rel=0.01)


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


def test_bad_arguments_of_a_fit_are_named(rng):
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
