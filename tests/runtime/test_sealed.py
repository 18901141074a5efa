import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.runtime import sealed

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
RECORDS = st.dictionaries(
    st.text(),
    st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=5),
)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(RECORDS.filter(lambda record: not {"format", "checksum"} & {*record}))
def test_a_record_comes_back_and_every_flipped_bit_is_seen(record):
    text = sealed.dumps(record)
    assert sealed.loads(text.encode()) == record
    # Readers of plain JSON, such as KerasTuner's, see the record too.
    assert record.items() <= json.loads(text).items()
    whole = bytearray(text.encode())
    for bit in range(0, 8 * len(whole), max(1, len(whole) // 20)):
        whole[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"damaged|not a record"):
            sealed.loads(bytes(whole))
        whole[bit // 8] ^= 1 << bit % 8


def test_every_bit_of_a_small_record():
    whole = bytearray(sealed.dumps({"event": "ended", "score": 0.5}).encode())
    for bit in range(8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="damaged"):
            sealed.loads(bytes(whole))
        whole[bit // 8] ^= 1 << bit % 8


def test_records_of_the_first_version_are_read():
    old = {"event": "header", "format": 1, "seed": 3}
    assert sealed.loads(json.dumps(old).encode()) == old


def test_names_of_the_seal_are_refused():
    with pytest.raises(ValueError, match=r"format and checksum.*Received: \['checksum', 'n'\]"):
        sealed.dumps({"n": 1, "checksum": 2})


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null", b'"x"'])
def test_what_is_no_record_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"empty|damaged|not a record"):
        sealed.loads(text)


def test_a_later_format_is_named():
    body = b'{"format":3,"n":1'
    text = body + b',"checksum":"%08x"}' % zlib.crc32(body)
    with pytest.raises(sealed.NewerFormatError, match=r"format 3.*update kerasnas"):
        sealed.loads(text)
