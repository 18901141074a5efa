"""Timings are read as people and TensorFlow Lite's benchmark tool write them."""

import csv
import dataclasses
import io
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware import LatencyModel, Timing, Work, read_operator_timings, read_timings

# As the tool of TensorFlow 2.21 writes it: its own preparation first, then each section twice.
REPORT = """Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
AllocateTensors, 0.041, 0.041, 100%, 100%, 0, 1, AllocateTensors/0

Number of nodes executed: 1
============================== Summary by node type ==============================
node type, count, avg_ms, avg %, cdf %, mem KB, times called
AllocateTensors, 1, 0.041, 100%, 100%, 0, 1

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0.11, 0.0930, 89.2%, 89.2%, 0, 1, [network/conv/Conv2D]:0
MEAN, 0.009, 0.0082, 7.9%, 97.1%, 0, 1, [network/mean/Mean]:1
FULLY_CONNECTED, 0.003, 0.003, 2.9%, 100%, 0, 1, [network/dense/MatMul]:2

============================== Top by Computation Time ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0.11, 0.0930, 89.2%, 89.2%, 0, 1, [network/conv/Conv2D]:0
"""


@pytest.fixture(scope="session")
def file():
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.GlobalAveragePooling2D(name="mean"),
        keras.layers.Dense(5, name="dense"),
    ]
    return kn.export.to_tflite(keras.Sequential(layers))


@pytest.fixture
def folder(tmp_path, file):
    (tmp_path / "small.tflite").write_bytes(file)
    return tmp_path


def write(folder, text, name="timings.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_whole_models(folder):
    path = write(folder, 'board,Model , MS\nmine,small.tflite, 1.5\n\nmine,"small.tflite",2\n')
    first, second = read_timings(path)
    assert (first.ms, second.ms) == (1.5, 2)
    assert first.model == second.model == "small.tflite"
    assert first.work["CONV_2D"] == Work(1, 6 * 6 * 4 * 27, 6 * 6 * 4)
    assert first.whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("model,ms\n", "no row"),
        ("model,milliseconds\nsmall.tflite,1\n", "line 1.*no column 'ms'.*milliseconds"),
        ("file,ms\nsmall.tflite,1\n", "line 1.*no column 'model'"),
        ("model,ms\nsmall.tflite,1\nsmall.tflite,fast\n", "line 3, column ms.*'fast'"),
        ("model,ms\nsmall.tflite,-1\n", "line 2, column ms.*above 0.*'-1'"),
        ("model,ms\nsmall.tflite,0\n", "line 2, column ms"),
        ("model,ms\nsmall.tflite,nan\n", "line 2, column ms"),
        ("model,ms\nsmall.tflite,inf\n", "line 2, column ms"),
        ("model,ms\nsmall.tflite\n", "line 2, column ms.*nothing"),
        ("model,ms\n,1\n", "line 2, column model.*nothing"),
        ("model,ms\n\nlarge.tflite,1\n", "line 3, column model.*'large.tflite'"),
        ("model,ms\ntimings.csv,1\n", r"line 2.*\.tflite"),
        ("model;ms\nsmall.tflite;1,5\n", "line 1.*no column 'model'.*separated by commas.*';'"),
        ("model\tms\nsmall.tflite\t1\n", r"line 1.*separated by commas.*'\\t'"),
    ],
)
def test_a_bad_file_names_the_file_the_line_and_the_column(folder, text, said):
    path = write(folder, text)
    with pytest.raises(ValueError, match=f"timings.csv.*{said}"):
        read_timings(path)


@settings(deadline=None, max_examples=20)
@given(
    rows=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9),
    more=st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), max_size=9),
)
def test_what_the_csv_module_writes_is_read(tmp_path_factory, file, rows, more):
    folder = tmp_path_factory.mktemp("timings")
    (folder / "a, b.tflite").write_bytes(file)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model", "note", "ms"])
    writer.writerows(["a, b.tflite", more, ms] for ms in rows)
    path = folder / "timings.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert [timing.ms for timing in read_timings(path)] == rows


def test_a_file_that_is_no_text(folder, file):
    path = folder / "small.tflite"
    for read in (read_timings, lambda path: read_operator_timings(path, file), LatencyModel.fit):
        with pytest.raises(ValueError, match=r"small\.tflite is no text in UTF-8.*CSV"):
            read(path)


def test_one_file_in_nine_rows_is_one_timing(folder):
    path = write(folder, "model,ms\n" + "small.tflite,1\nsmall.tflite,3\nsmall.tflite,2\n" * 3)
    with pytest.raises(ValueError, match="9 timings of 1 distinct model"):
        LatencyModel.fit(path)
    like = dataclasses.replace(kn.hardware.MICROCONTROLLER, dtype="float32")
    fitted = LatencyModel.fit(path, like=like)
    assert fitted.error is None
    assert fitted.predict(kn.hardware.profile_tflite((folder / "small.tflite").read_bytes())) == (
        pytest.approx(2)
    )
    assert "timings.csv (9 timings of 1 model, of each the median)" in fitted.source


def test_operators_of_the_benchmark_tool(folder, file):
    path = write(folder, REPORT)
    for model in (file, folder / "small.tflite", str(folder / "small.tflite")):
        found = read_operator_timings(path, model)
        assert [timing.ms for timing in found] == [0.093, 0.0082, 0.003]
        assert [[*timing.work] for timing in found] == [["CONV_2D"], ["MEAN"], ["FULLY_CONNECTED"]]
        assert found[0].work["CONV_2D"].macs == 6 * 6 * 4 * 27
        assert found[0].work["CONV_2D"].values == 6 * 6 * 4
        assert not found[0].whole
        assert {timing.dtype for timing in found} == {"float32"}


def test_operators_of_older_tools_and_of_the_rows_alone(folder, file):
    older = REPORT.replace("first, avg_ms", "start, first, avg_ms")
    older = older.replace("CONV_2D, ", "CONV_2D, 0, ").replace("MEAN, ", "MEAN, 0.1, ")
    older = older.replace("FULLY_CONNECTED, ", "FULLY_CONNECTED, 0.2, ")
    rows = "\n".join(REPORT.splitlines()[12:16])
    for text in (older, rows):
        found = read_operator_timings(write(folder, text), file)
        assert [timing.ms for timing in found] == [0.093, 0.0082, 0.003]


def test_operators_as_the_tool_prints_them(folder, file):
    def table(line):
        cells = line.split(", ")
        if len(cells) < 7:
            return line
        if cells[0] == "node type":
            cells = [f"[{cell}]" for cell in line.replace("avg_ms", "avg ms").split(", ")]
        return "".join(f"\t{cell:>24}" for cell in cells)

    printed = "\n".join(["STARTING!", *map(table, REPORT.splitlines())])
    found = read_operator_timings(write(folder, printed), file)
    assert [timing.ms for timing in found] == [0.093, 0.0082, 0.003]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("node type", "kind"), "has no operators"),
        (("avg_ms", "average"), "no column 'avg_ms'"),
        (("0.0082", "quick"), "line 15, column avg_ms.*'quick'"),
        (("0.0082", "-1"), "line 15, column avg_ms.*from 0 on.*'-1'"),
        (("MEAN, 0.009", "TfLiteXNNPackDelegate, 0.009"), "line 15.*has MEAN.*use_xnnpack=false"),
        (("FULLY_CONNECTED, 0.003, 0.003, 2.9%, 100%, 0, 1, [network/dense/MatMul]:2\n", ""),
         "2 operators.*the model 3"),
    ],
)  # fmt: skip
def test_a_bad_report_names_the_file_the_line_and_the_column(folder, file, change, said):
    path = write(folder, REPORT.replace(*change))
    with pytest.raises(ValueError, match=f"timings.csv.*{said}"):
        read_operator_timings(path, file)


def test_a_model_is_fitted_to_a_csv(folder, rng):
    truth = kn.hardware.MICROCONTROLLER
    rows = ["model,ms"]
    for i in range(4):
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(int(rng.integers(1, 9)), 3)]
        samples = rng.random((8, 8, 8, 3))
        data = kn.export.to_tflite(keras.Sequential(layers), "int8", samples)
        (folder / f"{i}.tflite").write_bytes(data)
        ms = 7 + 3 * truth.predict(kn.hardware.profile_tflite(data))
        rows.append(f"{i}.tflite,{ms}")
    path = write(folder, "\n".join(rows), "board.csv")
    fitted = LatencyModel.fit(path, like=truth)
    assert fitted.constant == pytest.approx(7 + 3 * truth.constant)
    assert fitted.costs["CONV_2D"].macs == pytest.approx(3)
    assert "board.csv" in str(fitted)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_timing_is_a_time(bad):
    with pytest.raises(ValueError, match="milliseconds"):
        Timing({"ADD": Work(1, 0, 1)}, bad)
    with pytest.raises(ValueError, match="work"):
        Timing({}, 1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ms": "1"}, "milliseconds.*'1'"),
        ({"ms": True}, "milliseconds.*True"),
        ({"work": [1]}, "`work`"),
        ({"work": {"ADD": (1, 2)}}, r"work\['ADD'\].*Work"),
        ({"model": 5}, "model=5"),
        ({"dtype": None}, "dtype=None"),
    ],
)
def test_a_timing_of_wrong_types_names_the_argument(change, said):
    with pytest.raises(TypeError, match=said):
        Timing(**{"work": {"ADD": Work(1, 0, 1)}, "ms": 1.0, **change})


def test_a_timing_of_bytes(file):
    assert Timing.of(file, np.float32(2)).work["CONV_2D"].operators == 1
    assert Timing.of(bytearray(file), 2).dtype == "float32"


def test_a_timing_of_what_is_no_file():
    with pytest.raises(TypeError, match=r"`subject`.*read_bytes.*'small\.tflite'"):
        Timing.of("small.tflite", 2)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(TypeError, match=r"`subject`.*kn\.profile\(model\)"):
        Timing.of(model, 2)
