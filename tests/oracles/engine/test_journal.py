import os
import subprocess
import sys

import pytest

from kerasnas.oracles.engine import journal


def test_events_come_back_in_order(tmp_path):
    book = journal.Journal(tmp_path / "j")
    for number in range(3):
        book.append({"n": number}, sync=number == 2)
    assert journal.read(tmp_path / "j") == ([{"n": 0}, {"n": 1}, {"n": 2}], [])


def test_a_missing_file_has_no_events(tmp_path):
    assert journal.read(tmp_path / "none") == ([], [])


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_did_not_happen_and_spoils_nothing(tmp_path, cut):
    path = tmp_path / "j"
    journal.Journal(path).append({"n": 0})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"x"}\n'[:cut])
    assert journal.read(path) == ([{"n": 0}], [])
    journal.Journal(path).append({"n": 1})
    assert journal.read(path) == ([{"n": 0}, {"n": 1}], [])


def test_an_unreadable_line_is_numbered_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(b'{"n":0}\n\x00\x00garbage\n[1]\n{"n":3}\n')
    assert journal.read(path) == ([{"n": 0}, {"n": 3}], [2, 3])


def test_a_long_torn_line_is_cut_off(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(b'{"n":0}\n' + b"x" * 200_000)
    journal.Journal(path).append({"n": 1})
    assert journal.read(path) == ([{"n": 0}, {"n": 1}], [])


def test_a_full_disk_leaves_no_half_line(tmp_path):
    # A limit on the size of files makes the write fail in its middle.
    script = """
import resource, signal, sys
from kerasnas.oracles.engine import journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
book = journal.Journal(sys.argv[1])
book.append({"n": 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
try:
    book.append({"text": "x" * 100})
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    book.append({"n": 1})
"""
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", script, tmp_path / "j"], check=True, env=env)
    assert journal.read(tmp_path / "j") == ([{"n": 0}, {"n": 1}], [])
