import dataclasses
import importlib.util
import io
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter as LiteRT

from kerasnas.export import (
    Interpreter,
    Metadata,
    TensorInfo,
    add_metadata,
    read_metadata,
    to_tflite,
    verify,
)
from kerasnas.hardware import profile_tflite
from kerasnas.tflite.metadata_schema import write_description

L = keras.layers

IMAGE = TensorInfo("picture", "an image", "image", (127.5, 120.0, 110.5), (127.5, 64.0, 32.0))
LABELS = TensorInfo("probability", labels=("cat", "dög", "a b", "none"))
WHOLE = Metadata((IMAGE,), (LABELS,), "net", "tells animals", "1.2", "me", "Apache-2.0")


@pytest.fixture(scope="module")
def described(classifier_file):
    return add_metadata(classifier_file, WHOLE)


def test_what_is_written_is_read(classifier_file, described):
    found = read_metadata(described)
    assert found.inputs[0] == dataclasses.replace(IMAGE, shape=(1, 8, 8, 3))
    assert found.outputs[0] == dataclasses.replace(LABELS, shape=(1, 4))
    assert dataclasses.replace(found, inputs=WHOLE.inputs, outputs=WHOLE.outputs) == WHOLE
    assert read_metadata(classifier_file) is None
    again = add_metadata(classifier_file, found)
    assert again == described, "no date or chance in it"


def test_what_is_left_out_keeps_the_names_of_the_file(classifier_file):
    [signature] = LiteRT(model_content=classifier_file).get_signature_list().values()
    found = read_metadata(add_metadata(classifier_file, Metadata(outputs=(LABELS,))))
    assert [info.name for info in found.inputs] == signature["inputs"]
    assert found.outputs[0].labels == LABELS.labels
    found = read_metadata(add_metadata(classifier_file, Metadata(name="net")))
    assert [info.name for info in found.outputs] == signature["outputs"]


def test_the_file_runs_as_before(classifier_file, described, images, classes):
    before, after = (Interpreter(d).predict(images) for d in (classifier_file, described))
    assert np.array_equal(before, after)
    names = LiteRT(model_content=described).get_signature_list()
    assert names == {"serving_default": {"inputs": ["picture"], "outputs": ["probability"]}}
    old, new = profile_tflite(classifier_file), profile_tflite(described)
    assert (old.macs, old.arena_head, old.arena_tail) == (new.macs, new.arena_head, new.arena_tail)
    if importlib.util.find_spec("tflite_micro") is not None:
        found = verify(described, images, classes, target="micro")
        assert set(found.largest_runtime_difference) == {"probability"}


def test_the_old_file_lies_in_the_new_one_at_a_multiple_of_16(classifier_file, described):
    # TensorFlow Lite Micro and delegates read weights in place, aligned.
    assert described.index(classifier_file) % 16 == 0


def test_files_of_labels_are_where_readers_look(described):
    with zipfile.ZipFile(io.BytesIO(described)) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().split("\n") == list(LABELS.labels)
    model = schema.Model.GetRootAs(described, 0)
    entries = {model.Metadata(i).Name(): model.Metadata(i) for i in range(model.MetadataLength())}
    assert {b"min_runtime_version", b"TFLITE_METADATA"} <= set(entries)
    written = model.Buffers(entries[b"TFLITE_METADATA"].Buffer()).DataAsNumpy().tobytes()
    assert written[4:8] == b"M001"


def test_several_inputs_and_outputs():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    model = keras.Model([a, b], [L.Dense(7)(b), L.Dense(2)(a), L.Concatenate()([a, b])])
    data = to_tflite(model)
    outputs = (TensorInfo("u", labels=tuple("abcdefg")), TensorInfo("v"), TensorInfo("a"))
    metadata = Metadata((TensorInfo("first", mean=(1.0,), std=(2.0,)), TensorInfo("b")), outputs)
    described = add_metadata(data, metadata)
    found = read_metadata(described)
    assert [info.shape for info in found.outputs] == [(1, 7), (1, 2), (1, 8)]
    assert [info.labels for info in found.outputs] == [tuple("abcdefg"), (), ()]
    assert found.inputs[0].mean == (1.0,)
    assert found.inputs[1].mean == ()
    x = [np.ones((4, 3), "float32"), np.ones((4, 5), "float32")]
    for want, have in zip(
        model.predict(x, verbose=0), Interpreter(described).predict(x), strict=True
    ):
        assert np.allclose(want, have, atol=1e-5)
    runner = LiteRT(model_content=described).get_signature_runner()
    assert runner(first=x[0][:1], b=x[1][:1])["v"].shape == (1, 2)


def test_a_gray_image_is_gray():
    model = keras.Sequential([keras.Input((6, 6, 1)), L.Flatten(), L.Dense(2)])
    gray = TensorInfo("gray", kind="image", mean=(0.0,), std=(255.0,))
    described = add_metadata(to_tflite(model), Metadata((gray,), (TensorInfo("y"),)))
    # The colour space is not told to the reader; it is the byte that differs from an RGB image.
    as_rgb = write_description(
        Metadata((dataclasses.replace(gray, shape=(1, 6, 6, 3)),), (TensorInfo("y"),)), {}
    )
    as_gray = write_description(
        Metadata((dataclasses.replace(gray, shape=(1, 6, 6, 1)),), (TensorInfo("y"),)), {}
    )
    differing = [(a, b) for a, b in zip(as_rgb, as_gray, strict=True) if a != b]
    assert differing == [(1, 2)]
    assert as_gray in described


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": (IMAGE, IMAGE)}, r"`metadata.inputs` must have 1 entries. Received: 2"),
        ({"inputs": (TensorInfo(""),)}, "must have a name each"),
        ({"inputs": (TensorInfo("a", shape=(1, 8)),)}, r"has shape \(1, 8, 8, 3\)"),
        ({"inputs": (TensorInfo("a", kind="sound"),)}, "must be of kind"),
        ({"inputs": (TensorInfo("a", mean=(1.0,)),)}, "`mean` and `std` belong together"),
        ({"inputs": (TensorInfo("a", mean=(1.0, 2.0), std=(1.0, 2.0)),)}, "each of 3 channels"),
        ({"inputs": (TensorInfo("a", mean=(1.0,), std=(0.0,)),)}, "std above 0"),
        ({"inputs": (TensorInfo("a", mean=(float("nan"),), std=(1.0,)),)}, "`mean` and `std` must"),
        ({"inputs": (TensorInfo("a", labels=("x", "y", "z")),)}, "classes of an output"),
        ({"outputs": (TensorInfo("a", labels=("x",)),)}, "must name the 4 classes"),
        ({"outputs": (TensorInfo("a", labels=("x", "y\n", "z", "")),)}, "one line of text"),
        ({"outputs": (TensorInfo("a", kind="image"),)}, "to be an image"),
        ({"outputs": (TensorInfo("a", mean=(1.0,), std=(1.0,)),)}, "to an input"),
    ],
)
def test_what_does_not_fit_is_refused(classifier_file, change, message):
    with pytest.raises(ValueError, match=message):
        add_metadata(classifier_file, dataclasses.replace(WHOLE, **change))


def test_it_is_written_once(described):
    with pytest.raises(ValueError, match="has metadata already"):
        add_metadata(described, WHOLE)


def test_damaged_metadata_is_an_error(described):
    model = schema.Model.GetRootAs(described, 0)
    last = model.Metadata(model.MetadataLength() - 1)
    written = model.Buffers(last.Buffer()).DataAsNumpy().tobytes()
    start = described.index(written)
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(200):
        damaged = bytearray(described)
        for position in rng.integers(0, len(written), 8):
            damaged[start + position] = rng.integers(256)
        try:
            read_metadata(bytes(damaged))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all("damaged metadata" in message for message in refused)
    with pytest.raises(ValueError, match=r"\.tflite file"):
        read_metadata(described[:100])


def test_a_damaged_file_is_refused_or_described(classifier_file):
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(200):
        damaged = bytearray(classifier_file)
        for position in rng.integers(8, len(damaged), 20):
            damaged[position] = rng.integers(256)
        try:
            add_metadata(bytes(damaged), WHOLE)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 20


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "a\u2028b", "a\u202eb", "\ud800"])
def test_a_name_is_one_line(classifier_file, name):
    metadata = dataclasses.replace(WHOLE, inputs=(dataclasses.replace(IMAGE, name=name),))
    with pytest.raises(ValueError, match=r"`metadata.inputs`: a name is one line of text"):
        add_metadata(classifier_file, metadata)


def test_names_and_texts_of_any_kind_are_read_as_they_were_written(classifier_file):
    odd = "*/ // ??/ \\ \" ' % größe"
    info = dataclasses.replace(IMAGE, name=odd, description=f"{odd}\n{odd}")
    found = read_metadata(add_metadata(classifier_file, dataclasses.replace(WHOLE, inputs=(info,))))
    assert (found.inputs[0].name, found.inputs[0].description) == (odd, info.description)
