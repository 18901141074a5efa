"""What the benchmarks promise without data holds."""

import pathlib
import subprocess
import sys

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
