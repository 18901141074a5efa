import keras
import pytest

from kerasnas.export import to_tflite
from kerasnas.tflite.reader import TFLiteFile, opened, read_tflite


@pytest.fixture(scope="module")
def data():
    return to_tflite(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))


def test_a_file_is_opened_by_its_path_its_bytes_or_as_it_is(data, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    file = opened(data)
    assert opened(file) is file
    assert opened(path).data == opened(str(path)).data == file.data == data
    (graph,) = read_tflite(data)
    assert [op.kind for op in graph.operators] == ["FULLY_CONNECTED"]
    assert [op.kind for op in file.graphs[0].operators] == ["FULLY_CONNECTED"]
    assert file.root.SubgraphsLength() == 1


def test_what_is_no_file_is_refused(data, tmp_path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none.tflite")
    with pytest.raises(ValueError, match="damaged"):
        opened(data[: len(data) // 2])
    for wrong in (b"TFL3", 3, None):
        with pytest.raises(ValueError, match=r"must be the bytes of a \.tflite file"):
            TFLiteFile(wrong)
