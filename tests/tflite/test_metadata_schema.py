"""The flatbuffer of a file's description."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.tflite.metadata_schema import (
    Metadata,
    TensorInfo,
    read_description,
    write_description,
)

TEXTS = st.text(max_size=12).filter(lambda text: "\0" not in text)
NUMBERS = st.lists(st.integers(-9, 9).map(lambda n: n / 4), min_size=1, max_size=3).map(tuple)
NAMES = TEXTS.filter(bool)
OUTPUTS = st.builds(TensorInfo, name=NAMES, description=TEXTS)
INPUTS = OUTPUTS | st.builds(
    lambda name, mean, kind: TensorInfo(name, kind=kind, mean=mean, std=(0.5,) * len(mean)),
    NAMES,
    NUMBERS,
    st.sampled_from(["feature", "image"]),
)
METADATA = st.builds(
    Metadata,
    inputs=st.lists(INPUTS, min_size=1, max_size=3).map(tuple),
    outputs=st.lists(OUTPUTS, min_size=1, max_size=3).map(tuple),
    name=TEXTS,
    description=TEXTS,
    version=TEXTS,
    author=TEXTS,
    license=TEXTS,
)


@given(METADATA, st.booleans())
def test_what_is_written_is_read_again(metadata, labelled):
    labels = {0: "labels.txt"} if labelled else {}
    data = write_description(metadata, labels)
    found, files = read_description(data, len(metadata.inputs), len(metadata.outputs))
    assert found == metadata
    assert files == [labels.get(place) for place in range(len(metadata.outputs))]


def test_another_number_of_tensors_is_an_error():
    one = Metadata((TensorInfo("x"),), (TensorInfo("y"),))
    with pytest.raises(ValueError, match="describes 1 tensors of 2"):
        read_description(write_description(one, {}), 2, 1)
    two = dataclasses.replace(one, inputs=one.inputs * 2)
    with pytest.raises(ValueError, match="2 entries in the place of at most 1"):
        read_description(write_description(two, {}), 1, 1)


def test_something_else_is_an_error():
    with pytest.raises(ValueError, match="mark"):
        read_description(b"something else altogether", 1, 1)
