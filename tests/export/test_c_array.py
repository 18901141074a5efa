import importlib.util
import re
import shutil
import subprocess
import urllib.parse

import keras
import numpy as np
import pytest

from kerasnas.export import c_array, to_tflite
from kerasnas.hardware import measure_arena, profile_tflite

L = keras.layers

MAIN = """
#include <cstdio>
#include "net.h"
struct Resolver {
  int count = 0;
  int AddConv2D() { return std::printf("CONV_2D "), ++count; }
  int AddReshape() { return std::printf("RESHAPE "), ++count; }
  int AddFullyConnected() { return std::printf("FULLY_CONNECTED "), ++count; }
  int AddSoftmax() { return std::printf("SOFTMAX "), ++count; }
};
int main() {
  Resolver resolver;
  net::RegisterOperators(resolver);
  std::printf("%d\\n", resolver.count == net::kOperatorCount);
  std::printf("%d\\n", static_cast<int>(reinterpret_cast<unsigned long long>(net::g_net) % 16));
  std::printf("%.9g %d\\n", static_cast<double>(net::kInput0Scale), net::kInput0ZeroPoint);
  for (int size : net::kInput0Shape) std::printf("%d ", size);
  std::printf("\\n");
  for (unsigned int i = 0; i < net::g_net_length; ++i) std::printf("%02x", net::g_net[i]);
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_it_compiles_and_holds_the_file(tmp_path, classifier_file):
    for name, text in c_array(classifier_file, "net").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.cc").write_text(MAIN)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["g++", *flags, "main.cc", "net.cc", "-o", "main"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    operators, aligned, quantization, shape, content = said.split("\n")
    assert operators == "CONV_2D RESHAPE FULLY_CONNECTED SOFTMAX 1"
    assert aligned == "0"
    from kerasnas.tflite.inspection import ends

    (tensor,) = ends(classifier_file, "input")
    assert float(quantization.split()[0]) == pytest.approx(tensor.scale, rel=1e-7)
    assert int(quantization.split()[1]) == tensor.zero_point
    assert shape == "1 8 8 3 "
    assert bytes.fromhex(content) == classifier_file


def arena_of(header):
    return int(re.search(r"kTensorArenaSize = (\d+);", header)[1])


def test_the_arena_is_measured_or_predicted(monkeypatch, classifier_file):
    if importlib.util.find_spec("tflite_micro") is not None:
        header = c_array(classifier_file)["model.h"]
        assert 0 <= arena_of(header) - measure_arena(classifier_file).total < 16
        assert "measured" in header
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    header = c_array(classifier_file)["model.h"]
    profile = profile_tflite(classifier_file)
    assert 0 <= arena_of(header) - (profile.arena_head + profile.arena_tail) < 16
    assert "predicted" in header


def test_a_file_that_remembers_says_so(classifier_file):
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5)])
    header = c_array(to_tflite(model))["model.h"]
    assert "resolver.AddUnidirectionalSequenceLSTM();" in header
    assert "Reset()" in header
    assert "Reset()" not in c_array(classifier_file)["model.h"]


def test_float_ends_have_no_quantization():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    header = c_array(to_tflite(model))["model.h"]
    assert "kInput0Shape[] = {1, 4};" in header
    assert "Scale" not in header


def test_operators_that_micro_lacks_are_named():
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.Activation("gelu")])
    with pytest.raises(ValueError, match="lacks operators of the file: GELU"):
        c_array(to_tflite(model))


@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "a-b", None, "x\n"])
def test_a_name_that_is_no_identifier(classifier_file, name):
    with pytest.raises(ValueError, match="`name` must be a C identifier"):
        c_array(classifier_file, name)


def test_what_is_no_file_is_refused(classifier_file):
    for data in (b"", classifier_file[: len(classifier_file) // 2]):
        with pytest.raises(ValueError, match=r"\.tflite file"):
            c_array(data)


def test_every_byte_is_there_once(classifier_file):
    text = c_array(classifier_file)["model.cc"]
    values = [int(value, 16) for value in re.findall(r"0x([0-9a-f]{2}),", text)]
    assert np.array_equal(np.array(values, np.uint8), np.frombuffer(classifier_file, np.uint8))


# What ends a comment, a line or a string, what joins two lines, and what is no ASCII.
HOSTILE = "a\n#error b\r\v\f*/ int c; /* \\ ??/ \" ' % \u00fc \u2028 \x00 end\\"


def named(data, name):
    """The file with another name of its input in the signature."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    model.signatureDefs[0].inputs[0].name = name
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("name", [HOSTILE, "ends in \\", "??/", "*/", "plain_name/of:0;other"])
def test_no_name_ends_its_comment(tmp_path, classifier_file, name):
    data = named(classifier_file, name)
    header = c_array(data, "net")["net.h"]
    plain = c_array(classifier_file, "net")["net.h"]
    assert header.isascii()
    # Nothing but the comment of one line is another.
    ours, theirs = header.split("\n"), plain.split("\n")
    other = [line for line, before in zip(ours, theirs, strict=True) if line != before]
    (shape,) = [line for line in other if "kTensorArenaSize" not in line]
    code, comment = shape.split("  // ")
    assert code == "constexpr int kInput0Shape[] = {1, 8, 8, 3};"
    assert urllib.parse.unquote(comment) == f"{name}, int8"
    if shutil.which("g++"):
        (tmp_path / "net.h").write_text(header)
        (tmp_path / "main.cc").write_text('#include "net.h"\n')
        flags = ["-std=c++14", "-trigraphs", "-Wall", "-Werror", "-fsyntax-only"]
        subprocess.run(["g++", *flags, "main.cc"], cwd=tmp_path, check=True)


def test_variables_that_the_model_keeps(streaming_files):
    header = c_array(streaming_files["float32"])["model.h"]
    assert "kResourceVariableCount = 2;" in header
    assert "tflite::MicroResourceVariables::Create(allocator, kResourceVariableCount)" in header
    assert "make a new interpreter" in header


def test_operators_of_the_graphs_that_a_loop_runs_are_registered():
    data = to_tflite(keras.Sequential([keras.Input((6, 4)), L.GRU(5)]))
    registered = re.findall(r"resolver\.Add(\w+)\(\)", c_array(data)["model.h"])
    assert {"While", "Less", "FullyConnected", "Logistic", "Tanh"} <= set(registered)
    assert len(registered) == len(set(registered))


def test_a_file_is_given_by_its_path_or_its_bytes(classifier_file, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(classifier_file)
    assert c_array(path) == c_array(str(path)) == c_array(classifier_file)
