"""What a search prints."""

import io
import logging
import re
import sys

import keras_tuner
import pytest

from kerasnas.hardware import Budget
from kerasnas.tuners import Evolution
from kerasnas.tuners.progress import Progress, format_seconds, quiet_tracing


def search(build, fit, tmp_path, **kwargs):
    tuner = Evolution(build, "val_loss", 2, seed=0, directory=tmp_path)
    fit = {key: value for key, value in fit.items() if key != "verbose"}
    tuner.search(**fit, **kwargs)
    return tuner


def test_nothing_at_verbose_0(build, fit, tmp_path, capfd):
    search(build, fit, tmp_path, verbose=0)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("arguments", [{}, {"verbose": 1}, {"verbose": "auto"}])
def test_one_plain_line_a_trial(build, fit, tmp_path, capfd, arguments):
    tuner = search(build, fit, tmp_path, **arguments)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2
    scores = [r["score"] for r in tuner.results()]
    assert lines[0].startswith(f"1/2  trial 0  val_loss {scores[0]:.4f}  best {scores[0]:.4f}")
    assert lines[1].startswith(f"2/2  trial 1  val_loss {scores[1]:.4f}  best {min(scores):.4f}")
    assert re.search(r"took \d\S*s  left \d", lines[0])
    assert "\x1b" not in "".join(lines)


def test_lines_of_fit_at_verbose_2(build, fit, tmp_path, capfd):
    search(build, fit, tmp_path, verbose=2)
    out = capfd.readouterr().out
    assert out.count("Epoch 2/2") == 2
    assert out.count("val_loss") >= 4


def test_a_fit_of_the_users_own_may_choose_its_lines(build, fit, tmp_path, capfd):
    class Chatty(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, verbose=2, **kwargs)

    search(Chatty(), fit, tmp_path)
    assert capfd.readouterr().out.count("Epoch 2/2") == 2


def progress(total=4, done=0, verbose=1):
    return Progress(verbose, total, done, None)


def test_failures_and_what_was_turned_away_are_shown(capsys):
    shown = progress(done=1)
    shown.begin_trial("1")
    shown.end_trial("1", "ValueError: too wide [units]", "", 0)
    shown.begin_trial("2")
    shown.end_trial("2", {"val_loss": 0.5, "flash": 20480.0}, "best 0.5000 (trial 2)", 12)
    shown.end_trial("3", {"val_loss": 0.5}, "", 45, 3)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("2/4  trial 1  failed: ValueError: too wide [units]  took")
    assert "turned away 12  took" in second
    assert "turned away 45, repaired 3  took" in third
    assert second.startswith("3/4  trial 2  val_loss 0.5000  flash 20480  best 0.5000 (trial 2)")


def test_a_search_under_a_tight_budget_says_what_was_repaired(build, fit, tmp_path, capfd):
    budget = Budget(params=6 * 3 + 3 + 3 + 1)  # The networks with 2 and 3 units.
    tuner = Evolution(build, "val_loss", 2, seed=0, directory=tmp_path, budget=budget)
    tuner.oracle.strategy.patience = 1
    tuner.search(**{key: value for key, value in fit.items() if key != "verbose"})
    last = capfd.readouterr().out.splitlines()[-2:]
    assert tuner.oracle.repaired > 0
    assert f", repaired {tuner.oracle.repaired}  took" in "".join(last)


def test_without_a_total_there_is_no_time_left(capsys):
    shown = progress(total=None)
    shown.end_trial("0", {"val_loss": 0.5}, "", 0)
    assert "left" not in capsys.readouterr().out


def test_a_terminal_gets_a_live_status(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    shown = progress()
    shown.begin_trial("0")
    shown.end_trial("0", {"val_loss": 0.5}, "", 0)
    shown.close()
    assert "trial 0 is running" in sys.stdout.getvalue()
    assert "\x1b[" in sys.stdout.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (9.9, "9.9s"),
        (12, "12s"),
        (59.5, "1m 00s"),
        (200, "3m 20s"),
        (7500, "2h 05m"),
        (97200, "1d 03h"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_only_the_warning_of_tracing_is_dropped(caplog):
    logger = logging.getLogger("tensorflow")
    propagate, logger.propagate = logger.propagate, True
    try:
        with quiet_tracing():
            logger.warning("5 out of the last 5 calls to f triggered tf.function retracing.")
            logger.warning("something else")
        logger.warning("1 triggered tf.function retracing")
    finally:
        logger.propagate = propagate
    assert [r.getMessage() for r in caplog.records] == [
        "something else",
        "1 triggered tf.function retracing",
    ]
