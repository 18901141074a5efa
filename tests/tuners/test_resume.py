"""A search killed at any moment goes on as the unbroken one would have."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import killed_search


def table(tuner):
    return [(r["trial_id"], r["status"], r["values"], r["score"]) for r in tuner.results()]


@pytest.mark.parametrize(
    "kind",
    [
        "Evolution",
        "Hyperband",
        pytest.param("ASHA", marks=pytest.mark.slow),
        # It scores files.
        pytest.param("Random", marks=pytest.mark.slow),
    ],
)
def test_killed_searches_end_as_the_unbroken_one(tmp_path, kind):
    unbroken = killed_search.tuner_of(kind, tmp_path / "unbroken")
    killed_search.search(unbroken)
    directory = tmp_path / "killed"
    if kind == "Hyperband":
        # The parent's checkpoint must be the same, too.
        promoted = next(
            r["trial_id"] for r in unbroken.results() if "tuner/trial_id" in r["values"]
        )
        kills = [("trained", 1), ("training", int(promoted))]
    else:
        kills = [("training", 1), ("trained", 2), ("ended", 3)]
    for moment, number in kills:
        command = [sys.executable, killed_search.__file__, directory, kind, moment, str(number)]
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert process.returncode == -signal.SIGKILL, process.stderr
    resumed = killed_search.tuner_of(kind, directory)
    assert len(resumed.results()) == kills[-1][1] + 1
    killed_search.search(resumed)
    assert table(resumed) == table(unbroken)
    assert resumed.get_best_models(1)[0].get_weights()[0].tolist() == (
        unbroken.get_best_models(1)[0].get_weights()[0].tolist()
    )
