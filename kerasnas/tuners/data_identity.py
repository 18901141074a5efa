"""Tells the data of one search from that of another: a resumed run may be given other data."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.tuners.inputs import bind_fit

# So many bytes of an array are read, which takes a second. Of a larger array these are parts that
# are spread over all of it.
_MOST_BYTES = 2**28
_PARTS = 64


def data_identity(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Describes each data argument of `search` by a short text that is the same for equal data.

    Args:
        args: Positional arguments of `search`.
        kwargs: Its keyword arguments.

    Returns:
        For each argument that holds data, its name and a digest: of shapes, types and values of
        arrays, of the element spec and length of a `tf.data.Dataset`, of the type and length of
        other data sets.

    Example:

    >>> import numpy as np
    >>> from kerasnas.tuners.data_identity import data_identity
    >>> one = data_identity((np.zeros(3),), {"epochs": 5})
    >>> list(one), one == data_identity((), {"x": np.zeros(3)})
    (['x'], True)
    """
    try:
        named = bind_fit(args, kwargs)
    except TypeError:  # Arguments of a `fit` of the user's own.
        named = {**{str(place): value for place, value in enumerate(args)}, **kwargs}
    found = {}
    for name, value in named.items():
        parts = list(_parts(value))
        if name == "validation_split" and value:
            parts.append(f"share {value}".encode())
        if parts:
            digest = hashlib.blake2b(digest_size=16)
            for part in parts:
                digest.update(part)
            found[name] = digest.hexdigest()
    return found


def _parts(data: Any) -> Iterator[bytes]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            for part in _parts(value):
                yield f"{name}:".encode()
                yield part
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _parts(value)
    elif hasattr(data, "element_spec"):
        yield f"{data.element_spec} {int(data.cardinality())}".encode()
    elif isinstance(data, keras.utils.PyDataset):
        yield f"{type(data).__qualname__} {data.num_batches}".encode()
    elif hasattr(data, "shape"):
        yield from _of_array(data)
    elif hasattr(data, "__next__") or hasattr(data, "dataset"):  # Generators, PyTorch's loaders.
        yield type(data).__qualname__.encode()


def _of_array(data: Any) -> Iterator[bytes]:
    array = data if isinstance(data, np.ndarray) else np.asarray(data)
    yield f"{array.dtype} {array.shape}".encode()
    if array.ndim == 0 or array.size == 0:
        yield repr(array.tolist()).encode()
        return
    row = max(1, array.nbytes // len(array))
    rows = max(1, _MOST_BYTES // _PARTS // row)
    every = max(rows, len(array) // _PARTS) if array.nbytes > _MOST_BYTES else rows
    for start in range(0, len(array), every):
        part = array[start : start + rows]
        # The bytes of an array of objects are their addresses, which say nothing of the values.
        yield repr(part.tolist()).encode() if part.dtype == object else part.tobytes()
