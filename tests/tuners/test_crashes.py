"""A trial that ends its own process is not run for ever; an interrupted one has not failed."""

import json
import os
import pathlib
import re
import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles.engine import journal
from kerasnas.tuners import Evolution, Hyperband

SCRIPT = pathlib.Path(__file__).with_name("crashing_search.py")
ABORTED, KILLED = -6, -9
REASON = "its process ended 3 times before its first epoch was over: a crash of the runtime"


def live(directory, kind, *lives):
    """What becomes of each life, and of the trials in the end."""
    done = subprocess.run(
        [sys.executable, SCRIPT, directory, kind, *lives],
        capture_output=True,
        text=True,
        # The lightest backend: nothing is trained there.
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        check=True,
    )
    return *json.loads(done.stderr.splitlines()[-1]), done


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    _, trials, _ = live(tmp_path_factory.mktemp("unbroken"), "kerasnas", "finish")
    assert [trial[1] for trial in trials] == ["COMPLETED"] * 3
    return trials


def test_a_trial_that_ends_its_process_three_times_has_failed(tmp_path, unbroken):
    ends, trials, done = live(tmp_path, "kerasnas", "abort", "kill", "exit", "finish")
    assert ends == [ABORTED, KILLED, 3, 0]
    name, status, _, message = trials[1]
    assert (name, status) == ("1", "FAILED")
    assert message.startswith(REASON)
    assert "retry_failed=True" in message
    assert f"trial 1 has failed: {REASON}" in done.stdout
    assert [trials[0], trials[2]] == [unbroken[0], unbroken[2]]
    # It is run again when that is asked for, and can fail again.
    ends, trials, _ = live(tmp_path, "kerasnas", "finish", "retry")
    assert (ends, trials) == ([0, 0], unbroken)


def test_a_build_function_that_ends_the_process_has_failed_too(tmp_path, unbroken):
    """A proposal is built before it becomes a trial, so that its repeats are known."""
    ends, trials, _ = live(tmp_path, "build", "abort", "kill", "abort", "abort")
    assert ends == [ABORTED, KILLED, ABORTED, 0]
    assert trials[1][:2] == ["1", "FAILED"]
    assert trials[1][3].startswith(REASON)
    assert [trials[0], trials[2]] == [unbroken[0], unbroken[2]]


def test_starts_that_do_not_count(tmp_path, unbroken):
    """Those of which an epoch was over, and those that an error has ended and not a crash."""
    lives = ["abort", "epoch,abort", "interrupt", "abort", "epoch,kill", "fatal", "interrupt"]
    ends, trials, _ = live(tmp_path, "kerasnas", *lives, "finish")
    assert ends == [ABORTED, ABORTED, 1, ABORTED, KILLED, 1, 1, 0]
    assert trials == unbroken


@pytest.mark.parametrize("kind", ["ask", "keras_tuner"])
def test_trials_asked_without_our_tuner_never_count(tmp_path, unbroken, kind):
    ends, trials, _ = live(tmp_path, kind, *["abort"] * 3, "finish")
    assert ends == [ABORTED] * 3 + [0]
    assert [trial[1] for trial in trials] == ["COMPLETED"] * 3


def events_of(folder, trial_id):
    events, unreadable = journal.read(folder / "journal.jsonl")
    assert not unreadable
    return [event["event"] for event in events if event.get("trial") == trial_id]


def evolution(build, tmp_path, **kwargs):
    settings = {"max_trials": 2, "seed": 0, "population_size": 2, "project_name": "run"}
    return Evolution(build, "val_loss", directory=tmp_path, **{**settings, **kwargs})


class Raises(keras.callbacks.Callback):
    """Raises at the end of an epoch, once."""

    errors = []  # noqa: RUF012

    def on_epoch_end(self, epoch, logs=None):
        if Raises.errors:
            raise Raises.errors.pop()


def test_the_first_epoch_and_an_interrupt_clear_a_start(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, executions_per_trial=2)
    Raises.errors.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        tuner.search(**fit, callbacks=[Raises()])
    folder = tmp_path / "run"
    assert events_of(folder, "0") == ["created", "started", "cleared"]
    evolution(build, tmp_path, executions_per_trial=2).search(**fit, callbacks=[Raises()])
    again = ["started", "cleared", "ended"]
    assert events_of(folder, "0") == ["created", "started", "cleared", *again]
    assert events_of(folder, "1") == ["created", *again]


def crash(folder, trial_id, times):
    """Journals what a process leaves that ends in the first epoch of a trial."""
    book = journal.Journal(folder / "journal.jsonl")
    for _ in range(times):
        book.append({"event": "started", "trial": trial_id})
    book.close()


def test_looking_at_a_run_fails_nothing_and_searching_does(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, max_trials=1)
    Raises.errors.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        tuner.search(**fit, callbacks=[Raises()])
    crash(tmp_path / "run", "0", 3)
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    resumed = evolution(build, tmp_path, max_trials=1)
    assert [result["status"] for result in resumed.results()] == ["RUNNING"]
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before
    with pytest.raises(RuntimeError, match=f"all 1 failed, the first with: {REASON}"):
        resumed.search(**fit)
    assert [result["message"][:30] for result in resumed.results()] == [REASON[:30]]
    again = evolution(build, tmp_path, max_trials=1, retry_failed=True)
    again.search(**fit)
    assert [result["status"] for result in again.results()] == ["COMPLETED"]


def score_of(tuner):
    return [(r["trial_id"], r["status"], r["values"]) for r in tuner.results()]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Evolution, {"max_trials": 4, "population_size": 2}),
        (Hyperband, {"max_epochs": 2, "factor": 2, "min_epochs": 1}),
    ],
)
def test_failed_trials_are_run_again(build, fit, tmp_path, kind, settings):
    broken = True

    class Sometimes(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            if broken and hp.get("act") == "tanh":
                raise ValueError("not today")
            return model.fit(*args, **kwargs)

    def tuner_of():
        return kind(Sometimes(), "val_loss", seed=0, directory=tmp_path, **settings)

    data = {name: value for name, value in fit.items() if name != "epochs"}
    data |= {} if "max_epochs" in settings else {"epochs": 1}
    tuner = tuner_of()
    tuner.search(**data)
    before = score_of(tuner)
    failed = [row for row in before if row[1] == "FAILED"]
    assert failed
    broken = False
    for same in (tuner, tuner_of()):
        same.search(**data)
        assert score_of(same) == before  # Not without being asked.
    again = tuner_of()
    again.search(**data, retry_failed=True)
    after = score_of(again)
    assert {row[1] for row in after} == {"COMPLETED"}
    # The same trials with the same values, and perhaps more than before.
    assert [row[0::2] for row in after[: len(before)]] == [row[0::2] for row in before]
    assert score_of(tuner_of()) == after
    assert len({str(row[2]) for row in after}) == len(after)


@pytest.mark.parametrize("anew", [False, True])
def test_a_run_in_which_nothing_was_completed_begins_anew(data, fit, tmp_path, anew):
    def build(hp):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(hp.Int("units", 2, 9))])
        model.compile("sgd", "mse")
        return model

    labels = np.array(["yes", "no"] * 24)
    tuner = Evolution(build, "val_loss", 4, directory=tmp_path, seed=0)
    with (
        pytest.warns(UserWarning, match="first 3 trials all failed"),
        pytest.raises(RuntimeError, match="all 4 failed, the first with: "),
    ):
        tuner.search(**{**fit, "y": labels})
    if anew:
        tuner = Evolution(build, "val_loss", 4, directory=tmp_path, seed=0)
    tuner.search(**fit)
    assert {row[1] for row in score_of(tuner)} == {"COMPLETED"}
    assert [row[0] for row in score_of(tuner)] == ["0", "1", "2", "3"]


def test_failures_of_an_earlier_search_are_told_as_such(build, fit, tmp_path, capsys):
    def tuner_of():
        return Evolution(often_broken, "val_loss", 4, directory=tmp_path, seed=0)

    def often_broken(hp):
        if hp.Choice("act", ["relu", "tanh"]) == "tanh":
            raise ValueError("not today")
        return build(hp)

    tuner_of().search(**fit)
    assert "earlier" not in capsys.readouterr().out
    tuner_of().search(**{**fit, "verbose": 1})
    said = capsys.readouterr().out
    assert re.search(r"\d of them failed in an earlier search .*retry_failed=True", said)


def test_temporary_files_of_processes_that_ended_are_removed(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    run = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    living = f"oracle.json.{os.getpid()}.tmp"
    for name in (f"oracle.json.{ended.pid}.tmp", f"trial_1/run.json.{ended.pid}.tmp", living):
        (run / name).write_text("half")
    evolution(build, tmp_path)
    assert [path.name for path in run.rglob("*.tmp")] == [living]
    evolution(build, tmp_path, overwrite=True).search(**fit)
    assert [path.name for path in run.rglob("*.tmp")] == [living]
