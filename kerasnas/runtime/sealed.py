"""JSON records that show whether they were damaged: each carries its format and a checksum.

A record is `{"format":2, ..., "checksum":"1c291ca3"}`, with the CRC-32 of all bytes before the
comma of the checksum. Both ends mark it, so that no single damage makes it look like one of version
0.1.0, which had neither and is still read.
"""

import json
import re
import zlib
from typing import Any

FORMAT = 2
_HEAD = re.compile(rb'\{"format":\d+,')
_TAIL = re.compile(rb',"checksum":"([0-9a-f]{8})"\}\Z')
_OWN = ("format", "checksum")


class NewerFormatError(ValueError):
    """The record was written by a later version of kerasnas."""


def dumps(record: dict[str, Any]) -> str:
    """Writes a record as one line of JSON with its checksum.

    Args:
        record: What JSON can hold, without the names `format` and `checksum`.

    Returns:
        The line, without its end.

    Raises:
        ValueError: The record has one of these names.

    Example:

    >>> from kerasnas.runtime.sealed import dumps
    >>> dumps({"n": 1})
    '{"format":2,"n":1,"checksum":"e8b03308"}'
    """
    if not record.keys().isdisjoint(_OWN):
        raise ValueError(
            f"A saved state cannot have the names {' and '.join(_OWN)}, which are those of its "
            f"seal. Received: {sorted(record)}"
        )
    body = json.dumps({"format": FORMAT, **record}, separators=(",", ":"))[:-1]
    return f'{body},"checksum":"{zlib.crc32(body.encode()):08x}"}}'


def loads(text: bytes) -> dict[str, Any]:
    """Reads a record, also one of version 0.1.0, which has no checksum.

    Args:
        text: The line.

    Returns:
        The record as it was given to `dumps`.

    Raises:
        NewerFormatError: A later version wrote it.
        ValueError: It is damaged, or no record.

    Example:

    >>> from kerasnas.runtime.sealed import loads
    >>> loads(b'{"n": 1}')
    {'n': 1}
    """
    tail = _TAIL.search(text)
    sealed = tail is not None or _HEAD.match(text) is not None
    if sealed and (tail is None or int(tail[1], 16) != zlib.crc32(text[: tail.start()])):
        raise ValueError("damaged: its checksum is another")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("cut off or damaged" if text else "empty") from error
    if not isinstance(record, dict):
        raise ValueError("not a record")
    if not sealed:
        return record
    if record["format"] > FORMAT:
        raise NewerFormatError(
            f"written by a later version of kerasnas, in format {record['format']}, where this "
            f"one knows {FORMAT}: update kerasnas"
        )
    return {name: value for name, value in record.items() if name not in _OWN}
