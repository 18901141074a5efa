"""An oracle in a process of its own, which is killed and resumed."""

import json
import os
import subprocess
import sys

import pytest

from kerasnas.testing import search
from kerasnas.testing.child import outcome


@pytest.fixture
def request_of(tmp_path):
    """A request to run an oracle of a file of one's own."""

    def write(strategy):
        path = tmp_path / "mine.py"
        path.write_text(f"""
from kerasnas.oracles import Evolution, Random
from kerasnas.testing import OracleConformance

class TestMine(OracleConformance):
    strategy = {strategy}
""")
        (tmp_path / "runs").mkdir()
        numbers = {"trials": 5, "seed": 0, "kills": 2}
        return {"file": str(path), "class": "TestMine", "folder": str(tmp_path / "runs"), **numbers}

    return write


def ask(request):
    return subprocess.run(
        [sys.executable, "-m", "kerasnas.testing.child"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        timeout=300,
        check=False,
    )


def test_killed_searches_end_as_the_unbroken_one(request_of):
    done = ask(request_of("Evolution(population_size=3)"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row[0] for row in found["unbroken"]] == list("01234")
    assert len(found["killed"]) == 2
    for killed in found["killed"]:
        assert set(killed["ends"][:2]) <= {-9, 0}
        assert killed["ends"][2] == 0
        assert killed["rows"] == found["unbroken"]
    assert any(-9 in killed["ends"] for killed in found["killed"])


def test_an_oracle_that_cannot_be_made_says_why(request_of):
    done = ask(request_of("None"))
    assert done.returncode != 0
    assert "TestMine must define `strategy`" in done.stderr


def test_one_setting_of_six_fails():
    values = [{"x": number} for number in range(300)]
    failed = [one for one in values if outcome(one) is None]
    assert 30 < len(failed) < 75
    assert all(outcome(one) in (None, search.score(one)) for one in values)
