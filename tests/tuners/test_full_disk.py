"""A disk without room, or that fails, stops a search and fails no trial."""

import errno
import os
import shutil
import subprocess

import keras
import keras_tuner
import pytest

from kerasnas.runtime.files import CannotWriteError
from kerasnas.tuners import ASHA, Evolution, Tuner


def tuner_of(build, directory, project="run", **kwargs):
    settings = {"max_trials": 2, "seed": 0, "population_size": 2}
    return Evolution(
        build, "val_loss", directory=directory, project_name=project, **{**settings, **kwargs}
    )


def table(tuner):
    return [(r["trial_id"], r["status"], r["values"], r["score"]) for r in tuner.results()]


@pytest.fixture(scope="module")
def fit(data):
    x, y = data
    return {"x": x, "y": y, "validation_split": 0.25, "epochs": 1, "batch_size": 64, "verbose": 0}


@pytest.fixture(scope="module")
def unbroken(build, fit, tmp_path_factory):
    tuner = tuner_of(build, tmp_path_factory.mktemp("unbroken"))
    tuner.search(**fit)
    return table(tuner)


def fail_once(monkeypatch, name, code, after):
    """Lets the file of this name fail once, at its so-many-th writing."""
    left = [after]

    def failing(call, path_of):
        def wrapper(*args, **kwargs):
            if name in str(path_of(*args)):
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(code, os.strerror(code))
            return call(*args, **kwargs)

        return wrapper

    if name == "journal.jsonl":
        where = lambda descriptor, *rest: os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: E731
        monkeypatch.setattr(os, "write", failing(os.write, where))
    else:
        monkeypatch.setattr(os, "replace", failing(os.replace, lambda source, target: target))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to know a descriptor")
@pytest.mark.parametrize(
    ("name", "code", "after"),
    [
        ("journal.jsonl", errno.ENOSPC, 1),
        # While the first proposal is built, and at the second trial.
        ("journal.jsonl", errno.EROFS, 3),
        ("journal.jsonl", errno.EIO, 12),
        ("oracle.json", errno.EDQUOT, 1),
        ("trial.json", errno.EROFS, 3),
        ("run.json", errno.EIO, 2),
        ("build_config.json", errno.ENOSPC, 2),
        ("checkpoint.weights.h5", errno.EFBIG, 2),
        ("tuner0.json", errno.ENOSPC, 1),
    ],
)
def test_what_cannot_be_written_stops_the_search_and_fails_no_trial(
    build, fit, tmp_path, unbroken, monkeypatch, capsys, name, code, after
):
    tuner = tuner_of(build, tmp_path)
    with monkeypatch.context() as patch:
        fail_once(patch, name, code, after)
        with pytest.raises(
            CannotWriteError, match=rf"A file of [\d,]+ bytes cannot.*{name}"
        ) as caught:
            tuner.search(**{**fit, "verbose": 1})
    assert caught.value.errno == code
    if name != "tuner0.json":
        assert "Make room and run it again" in capsys.readouterr().out
    assert "FAILED" not in {row[1] for row in table(tuner)}
    assert [path for path in tmp_path.rglob("*") if ".tmp" in path.name] == []
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    # The same object goes on, and so does another process.
    tuner.search(**fit)
    assert table(tuner) == unbroken
    resumed = tuner_of(build, tmp_path, "copy")
    resumed.search(**fit)
    assert table(resumed) == unbroken
    assert len(resumed.get_best_models(2)) == 2


class Disk(keras.callbacks.Callback):
    """A callback of the user's that writes, to a disk that fails once."""

    errors = []  # noqa: RUF012

    def on_epoch_end(self, epoch, logs=None):
        if Disk.errors:
            raise Disk.errors.pop()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/logs/log.csv"),
        RuntimeError("Unable to write (file write failed: errno = 28, error message = ...)"),
        keras_tuner.errors.FailedTrialError("log: [Errno 122] Disk quota exceeded"),
    ],
)
def test_a_callback_that_cannot_write_fails_no_trial_either(build, fit, tmp_path, unbroken, error):
    tuner = tuner_of(build, tmp_path)
    Disk.errors.append(error)
    with pytest.raises(CannotWriteError, match="trial 0 was stopped by the disk"):
        tuner.search(**fit, callbacks=[Disk()])
    resumed = tuner_of(build, tmp_path)
    resumed.search(**fit, callbacks=[Disk()])
    assert table(resumed) == unbroken


def test_a_report_that_cannot_be_saved_fails_no_trial(build, fit, tmp_path, monkeypatch):
    """ASHA's oracle writes while a trial trains."""

    def asha(project):
        settings = {"max_trials": 3, "max_epochs": 2, "factor": 2, "min_epochs": 1, "seed": 0}
        return ASHA(build, "val_loss", directory=tmp_path, project_name=project, **settings)

    data = {name: value for name, value in fit.items() if name != "epochs"}
    whole = asha("unbroken")
    whole.search(**data)
    broken = asha("broken")
    with monkeypatch.context() as patch:
        patch.setattr(
            broken.oracle.ledger,
            "note_lineage",
            lambda *args: (_ for _ in ()).throw(full_journal()),
        )
        with pytest.raises(CannotWriteError):
            broken.search(**data)
    broken.search(**data)
    assert table(broken) == table(whole)


def full_journal():
    return CannotWriteError(errno.ENOSPC, "No space left on device", "journal.jsonl")


def test_other_errors_still_fail_the_trial(build, fit, tmp_path):
    tuner = tuner_of(build, tmp_path, max_trials=2)
    Disk.errors.append(FileNotFoundError(errno.ENOENT, "No such file or directory", "data.csv"))
    tuner.search(**fit, callbacks=[Disk()])
    assert [row[1] for row in table(tuner)] == ["FAILED", "COMPLETED"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB, where it can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_file_system(small_disk, build, fit, tmp_path, unbroken):
    """Its checkpoints have no room; with more room the search is the unbroken one."""
    oracle = tuner_of(build, tmp_path, "other").oracle
    tuner = Tuner(build, oracle, directory=small_disk, project_name="run")
    with pytest.raises(CannotWriteError, match=r"bytes cannot be written .*bytes are free"):
        tuner.search(**fit)
    assert "FAILED" not in {row[1] for row in table(tuner)}
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    tuner.search(**fit)
    assert table(tuner) == unbroken
    # Nothing holds the space of what could not be written.
    used = sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())
    assert shutil.disk_usage(small_disk).used < used + 4096 * len(list(small_disk.rglob("*")))
