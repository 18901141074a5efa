"""What a recipe returns."""

import json

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter


def test_last_metric_is_that_of_the_file(compressed, digits):
    interpreter = Interpreter(compressed.tflite)
    for name, key in (("val", "value"), ("test", "test_value")):
        x, y = digits[name]
        right = interpreter.predict(x).argmax(axis=1) == y
        assert compressed.report[-1][key] == pytest.approx(right.mean())
        assert compressed.evaluate(x, y)["accuracy"] == pytest.approx(right.mean())
    assert np.array_equal(compressed.predict(x), interpreter.predict(x))
    assert right.mean() > 0.85


def test_summary_is_a_table_of_the_report(compressed):
    lines = compressed.summary().splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:3] == ["step", "method", "epochs"]
    assert f"{len(compressed.tflite):,}" in lines[-1]
    assert "(validation)" in lines[-1]
    assert "(test)" in lines[-1]


def test_save_replaces_the_whole_file(compressed, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    assert compressed.save(str(path)) == path
    assert path.read_bytes() == compressed.tflite
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        compressed.save(tmp_path / "nowhere" / "model.tflite")


def test_nothing_is_left_when_saving_fails(compressed, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def broken(source, target):
        raise OSError("disk")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk"):
        compressed.save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_all_that_belongs_to_it(compressed, model, digits, tmp_path):
    folder = compressed.export(tmp_path / "out", test_data=digits["test"], source=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (folder / "model.tflite").read_bytes() == compressed.tflite
    assert manifest["recipe"] == ["Prune(epochs=2)", "Quantize(epochs=1)"]
    assert manifest["seed"] == 0
    assert set(manifest["data"]) == {"train", "validation", "test"}
    last = compressed.report[-1]
    assert manifest["result"]["value"] == last["value"]
    assert manifest["verification"]["metrics"]["accuracy"] == pytest.approx(last["test_value"])
    kept = keras.saving.load_model(folder / "model.keras")
    x = digits["test"][0]
    assert np.array_equal(kept.predict(x, verbose=0), model.predict(x, verbose=0))
    assert {"model.h", "model.cc", "report.json"} < {path.name for path in folder.iterdir()}
