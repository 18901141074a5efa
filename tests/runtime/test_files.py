import errno
import os
import pathlib
import subprocess
import sys

import pytest

from kerasnas.runtime.files import (
    CannotWriteError,
    disk_error,
    remove_leftovers,
    replacing,
    write_atomic,
)


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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_path_and_the_space_needed_are_named(tmp_path, monkeypatch, code, call):
    def full(*args):
        raise OSError(code, os.strerror(code))

    path = tmp_path / "model.tflite"
    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        CannotWriteError, match=r"12,345 bytes .*bytes are free.*model\.tflite"
    ) as caught:
        write_atomic(path, b"x" * 12_345, sync=True)
    assert caught.value.errno == code
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_lies_in_wait_is_not_followed(tmp_path):
    """Somebody else may guess the temporary name in a folder that is open to all."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    with replacing(tmp_path / "state", 1) as temporary:
        pathlib.Path(temporary).write_text("old")
    os.symlink(victim, temporary)
    write_atomic(tmp_path / "state", "new")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "state").is_symlink()


def h5_error(code):
    return RuntimeError(
        "Can't decrement id ref count (unable to extend file properly, errno = "
        f"{code}, error message = '{os.strerror(code)}')"
    )


def wrapped(error):
    try:
        try:
            raise error
        except Exception as inner:
            raise ValueError("the callback has failed") from inner
    except ValueError as outer:
        return outer


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_the_errors_of_a_disk_are_known_in_every_wrapping(code):
    plain = OSError(code, os.strerror(code))
    for error in (plain, h5_error(code), wrapped(plain), wrapped(h5_error(code))):
        assert disk_error(error) == code


@pytest.mark.parametrize(
    "error",
    [
        OSError("the disk is gone"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        MemoryError("no room"),
        ValueError("errno = 2"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    ],
)
def test_other_errors_are_not_of_the_disk(error):
    assert disk_error(error) is None
    assert disk_error(wrapped(error)) is None


def test_files_that_a_killed_process_left_are_removed_and_those_of_living_ones_stay(tmp_path):
    script = """
import os, sys
from kerasnas.runtime.files import replacing
first = replacing(os.path.join(sys.argv[1], "oracle.json"), 1)
second = replacing(os.path.join(sys.argv[1], "checkpoint.weights.h5"), 1, ".weights.h5")
for context in (first, second):
    open(context.__enter__(), "w").close()
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], env=env, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        others = [
            "notes.tmp",
            "notes.99999999.tmp",
            "my.json.tmp",
            "oracle.json",
            "oracle.json.deadbeef.99999999.tmp",
        ]
        for name in others:
            (tmp_path / name).write_text("")
        # As version 0.1.0 named them.
        (tmp_path / f"trial.json.{process.pid}.tmp").write_text("")
        before = {path.name for path in tmp_path.iterdir()}
        assert len(before) == len(others) + 3
        remove_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == before
        process.communicate(b"\n")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(others)
