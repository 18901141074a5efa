import errno
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasnas.export import (
    Interpreter,
    Metadata,
    Origin,
    TensorInfo,
    data_hash,
    read_metadata,
    to_tflite,
    write,
)

REPORT = [
    {"step": "float", "metric": "accuracy", "value": 0.5, "data": "validation", "test_value": None},
    {"step": "int8", "metric": "accuracy", "value": 0.25, "data": "validation", "test_value": 0.2},
]


@pytest.fixture(scope="module")
def origin(classifier, images, classes):
    hashes = {"train": data_hash(images, classes)}
    return Origin(classifier, ("Quantize(bits='int8')",), 7, hashes)


@pytest.fixture(scope="module")
def written(tmp_path_factory, classifier_file, origin, images, classes):
    folder = tmp_path_factory.mktemp("bundle") / "out"
    metadata = Metadata((TensorInfo("picture"),), (TensorInfo("class", labels=tuple("abcd")),))
    return write(
        folder,
        classifier_file,
        origin,
        report=REPORT,
        test_data=(images, classes),
        metadata=metadata,
        source=True,
    )


def test_all_files_are_there_and_sealed(written):
    files = {path.name for path in written.iterdir()}
    manifest = json.loads((written / "manifest.json").read_text())
    rest = {"model.tflite", "model.keras", "report.json", "model.h", "model.cc"}
    assert files == rest | {"manifest.json"}
    assert set(manifest["files"]) == rest
    for name, seal in manifest["files"].items():
        content = (written / name).read_bytes()
        assert seal == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_the_manifest_says_where_it_comes_from(written, origin, images, classes, classifier):
    manifest = json.loads((written / "manifest.json").read_text())
    assert manifest["versions"]["keras"] == keras.__version__
    assert {"kerasnas", "python", "tensorflow", "tf_keras", "numpy"} <= set(manifest["versions"])
    assert manifest["seed"] == 7
    assert manifest["recipe"] == ["Quantize(bits='int8')"]
    assert manifest["data"] == {"train": data_hash(images, classes)}
    assert manifest["result"] == {
        "metric": "accuracy", "value": 0.25, "data": "validation", "test_value": 0.2
    }  # fmt: skip
    verified = manifest["verification"]
    assert verified["samples"] == 50
    assert verified["metrics"]["accuracy"] == pytest.approx(0.74, abs=0.05)
    assert verified["largest_difference"][classifier.layers[-1].name] < 0.05
    assert json.loads((written / "report.json").read_text()) == REPORT


def test_model_and_file_can_be_used(written, classifier, classifier_file, images):
    model = keras.saving.load_model(written / "model.keras", compile=False)
    want = classifier.predict(images, verbose=0)
    assert np.array_equal(model.predict(images, verbose=0), want)
    data = (written / "model.tflite").read_bytes()
    assert read_metadata(data).outputs[0].labels == tuple("abcd")
    found = Interpreter(data).predict(images)
    assert np.array_equal(found, Interpreter(classifier_file).predict(images))
    assert f"g_model_length = {len(classifier_file)};" in (written / "model.cc").read_text()


def test_the_least_of_it(tmp_path, classifier_file, classifier):
    folder = write(tmp_path / "out", classifier_file, Origin(classifier))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {"model.tflite", "model.keras", "report.json"}
    assert manifest["verification"] is None
    assert (folder / "model.tflite").read_bytes() == classifier_file


def test_metadata_meets_inputs_and_outputs_by_name(tmp_path):
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    ends = [keras.layers.Dense(2, name="two")(a), keras.layers.Dense(4, name="four")(b)]
    model = keras.Model([a, b], ends)
    labels = TensorInfo("four", labels=tuple("abcd")), TensorInfo("two", labels=tuple("xy"))
    folder = write(
        tmp_path / "out",
        to_tflite(model),
        Origin(model),
        metadata=Metadata((TensorInfo("a"), TensorInfo("z")), labels),
    )
    found = read_metadata((folder / "model.tflite").read_bytes())
    assert [(info.name, info.shape) for info in found.inputs] == [("z", (1, 3)), ("a", (1, 5))]
    assert [info.labels for info in found.outputs] == [tuple("xy"), tuple("abcd")]


def test_texts_of_any_kind_stay_texts(tmp_path, classifier, classifier_file):
    odd = "a\nb\r*/ // ??/ \\ \" ' größe \u2028"
    report = [REPORT[0] | {"step": odd}]
    folder = write(tmp_path / "out", classifier_file, Origin(classifier, (odd,)), report=report)
    texts = [(folder / name).read_bytes() for name in ("manifest.json", "report.json")]
    assert all(text.isascii() for text in texts)
    assert json.loads(texts[0])["recipe"] == [odd]
    assert json.loads(texts[1])[0]["step"] == odd


def test_nothing_is_written_when_the_file_does_not_verify(tmp_path, classifier_file, origin):
    wrong, name = (np.zeros((4, 7, 8, 3)), np.zeros(4, int)), TensorInfo("name")
    with pytest.raises(ValueError, match="must hold x of shape"):
        write(tmp_path / "out", classifier_file, origin, test_data=wrong)
    with pytest.raises(ValueError, match=r"`metadata.inputs` must have 1"):
        write(tmp_path / "out", classifier_file, origin, metadata=Metadata((name, name)))
    assert list(tmp_path.iterdir()) == []


def test_samples_to_verify_with_have_no_weights(tmp_path, classifier_file, origin):
    with pytest.raises(ValueError, match=r"`test_data` must be a tuple \(x, y\).*3 values"):
        write(tmp_path / "out", classifier_file, origin, test_data=(1, 2, 3))


def test_nothing_is_written_on_a_full_disk(tmp_path, monkeypatch, classifier_file, origin):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"Nothing was written to .*: No space left on device"):
        write(tmp_path / "out", classifier_file, origin)
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_tells_data_apart():
    x, y = np.arange(6.0).reshape(2, 3), np.array([0, 1])
    same = data_hash(x, y)
    assert data_hash(x.copy(order="F"), y) == same
    others = [
        data_hash(x),
        data_hash(y, x),
        data_hash(x.reshape(3, 2), y),
        data_hash(x.astype("float32"), y),
        data_hash(x + 1e-12 * (x == 5), y),
        data_hash([x, x], y),
        data_hash({"a": x}, y),
        data_hash({"b": x}, y),
    ]
    assert len({same, *others}) == len(others) + 1
