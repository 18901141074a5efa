import os
import pathlib

import pytest

from kerasnas.utils.files import write_atomic


def test_a_replaced_file_is_old_or_new(tmp_path, monkeypatch):
    path = tmp_path / "state"
    write_atomic(path, "old")

    def broken(*paths):
        raise OSError("no rename today")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken)
        with pytest.raises(OSError, match="no rename today"):
            write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomic(path, b"new", sync=True)
    assert path.read_text() == "new"
    assert list(pathlib.Path(tmp_path).iterdir()) == [path]
