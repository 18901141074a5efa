import errno
import os
from pathlib import Path

import pytest

from kerasnas.export.folder import MANIFEST, write_folder


def fill(text):
    def write(folder):
        (folder / MANIFEST).write_text(text)
        (folder / f"{text}.bin").write_bytes(b"x" * 10)

    return write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_is_written_and_replaced_whole(tmp_path):
    target = tmp_path / "out"
    assert write_folder(target, fill("one")) == target
    assert names(target) == ["manifest.json", "one.bin"]
    assert target.stat().st_mode & 0o777 == 0o755
    write_folder(target, fill("two"))
    assert names(target) == ["manifest.json", "two.bin"]
    assert names(tmp_path) == ["out"], "nothing else is left"


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", fill("one"))
    assert names(tmp_path) == ["out"]


def test_a_link_is_followed(tmp_path):
    write_folder(tmp_path / "real", fill("one"))
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link", fill("two"))
    assert names(tmp_path / "real") == ["manifest.json", "two.bin"]
    assert (tmp_path / "link").is_symlink()


def test_what_somebody_else_wrote_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds files but no manifest\.json"):
        write_folder(tmp_path / "thesis", fill("one"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`folder` must not be a file"):
        write_folder(tmp_path / "file", fill("one"))
    with pytest.raises(ValueError, match="must lie in a folder that exists"):
        write_folder(tmp_path / "no" / "such", fill("one"))
    assert names(tmp_path) == ["file", "thesis"]
    assert names(tmp_path / "thesis") == ["chapter"]


def full(folder):
    (folder / "half").write_bytes(b"x")
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_leaves_what_was_there(tmp_path, there):
    target = tmp_path / "out"
    if there:
        write_folder(target, fill("one"))
    with pytest.raises(OSError, match=r"Nothing was written to .*out: No space left") as caught:
        write_folder(target, full)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == (["out"] if there else [])
    if there:
        assert names(target) == ["manifest.json", "one.bin"]


def test_any_error_leaves_nothing(tmp_path):
    def broken(folder):
        (folder / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "out", broken)
    assert names(tmp_path) == []


def test_a_read_only_place(tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    if os.geteuid() == 0:  # who may write everywhere

        def refuse(*given, **named):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("tempfile.mkdtemp", refuse)
    else:
        place.chmod(0o555)
    with pytest.raises(PermissionError, match=r"Nothing was written to .*out: Permission denied"):
        write_folder(place / "out", fill("one"))
    assert names(place) == []


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target = tmp_path / "out"
    write_folder(target, fill("one"))
    rename = os.rename

    def refuse(source, destination):
        if Path(destination) == target and (Path(source) / "two.bin").exists():
            raise OSError(errno.EIO, "Input/output error")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        write_folder(target, fill("two"))
    assert names(target) == ["manifest.json", "one.bin"]
    assert names(tmp_path) == ["out"]
