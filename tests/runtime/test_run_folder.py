"""Which folders can hold a run, and what `overwrite=True` may delete."""

import os

import pytest

from kerasnas.runtime import run_folder

NAMES_THAT_LEAVE = [
    "../victim",
    "a/../../victim",
    "..",
    ".",
    "",
    "./",
    "a/..",
    "/tmp/victim",
    "a\0b",
]


def make_run(folder):
    """Files of a run with two trials, and the user's own beside them."""
    for trial in ("trial_0", "trial_1"):
        (folder / trial).mkdir(parents=True)
        (folder / trial / "trial.json").write_text("{}")
    (folder / "journal.jsonl").write_text("{}\n")
    (folder / "oracle.json").write_text("{}")
    (folder / "tuner0.json").write_text("{}")
    (folder / "left.json").write_text('{"identity": {}}')


def own_files(folder):
    """Files that look a little like a run's."""
    (folder / "notes.txt").write_text("mine")
    (folder / "config.json").write_text('{"mine": 1}')
    (folder / "broken.json").write_text('{"mine')
    (folder / "trial_notes").mkdir(parents=True)
    (folder / "trial_notes" / "trial.json").write_text("mine")
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", NAMES_THAT_LEAVE)
@pytest.mark.parametrize("overwrite", [False, True])
def test_names_that_leave_the_directory_are_refused(tmp_path, name, overwrite):
    with pytest.raises(ValueError, match=r"project_name.*directory.*Received"):
        run_folder.check(tmp_path, name, overwrite)


@pytest.mark.parametrize("name", ["digits", "mnist/first", "..digits", "a b", "ünïcode", "a/./b"])
def test_names_inside_are_taken(tmp_path, name):
    run_folder.check(tmp_path, name, overwrite=True)
    run_folder.delete_run(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_deleted_and_what_is_not_its_own_stays(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    mine = own_files(folder)
    make_run(folder)
    run_folder.delete_run(tmp_path, "run")
    assert names(folder) == mine
    assert not run_folder.has_run(folder)


def test_a_folder_without_a_run_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    mine = own_files(folder)
    for refuses in (
        lambda: run_folder.check(tmp_path, "run", overwrite=True),
        lambda: run_folder.delete_run(tmp_path, "run"),
    ):
        with pytest.raises(ValueError, match="holds files but no run"):
            refuses()
    assert names(folder) == mine
    run_folder.check(tmp_path, "run", overwrite=False)


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_link_leads_to_is_not_deleted(tmp_path, inside):
    """A link as the project, in the middle of its name, and inside of the run."""
    victim = (tmp_path / "runs" / "other") if inside else tmp_path / "victim"
    make_run(victim / "deep")
    before = names(victim)
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "runs" / "link").symlink_to(victim)
    for name in ("link", "link/deep"):
        with pytest.raises(ValueError, match=r"symbolic link to .*Remove the link"):
            run_folder.delete_run(tmp_path / "runs", name)
    make_run(tmp_path / "runs" / "mine")
    (tmp_path / "runs" / "mine" / "trial_7").symlink_to(victim / "deep")
    run_folder.delete_run(tmp_path / "runs", "mine")
    assert names(tmp_path / "runs" / "mine") == set()
    assert names(victim) == before


def test_a_dangling_link_is_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="symbolic link"):
        run_folder.check(tmp_path, "link", overwrite=True)
    with pytest.raises(ValueError, match="is no folder"):
        run_folder.check(tmp_path, "link", overwrite=False)


def test_a_directory_that_is_a_link_is_fine(tmp_path):
    make_run(tmp_path / "disk" / "run")
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    run_folder.delete_run(tmp_path / "runs", "run")
    assert names(tmp_path / "disk" / "run") == set()


@pytest.mark.parametrize("name", ["run", "run/deep"])
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, name):
    (tmp_path / "run").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="is no folder"):
            run_folder.check(tmp_path, name, overwrite)
        with pytest.raises(ValueError, match="is no folder"):
            run_folder.check(tmp_path / "run", "deep", overwrite)
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("call", ["unlink", "rmdir"])
def test_a_failure_to_delete_is_raised_and_leaves_the_journal(tmp_path, monkeypatch, call):
    make_run(tmp_path / "run")

    def busy(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, call, busy)
    with pytest.raises(OSError, match=r"run cannot be deleted \(Permission denied\).*trial_"):
        run_folder.delete_run(tmp_path, "run")
    assert (tmp_path / "run" / "journal.jsonl").exists()
