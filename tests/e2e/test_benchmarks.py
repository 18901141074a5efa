"""What the benchmarks promise without data holds."""

import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"


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
