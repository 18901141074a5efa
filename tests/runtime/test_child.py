import pathlib

import pytest

from kerasnas.runtime.child import Child

# Answers with its process id and the job, unless the job tells it to end, crash or hang.
SCRIPT = """
import os, signal, sys, time

for line in sys.stdin:
    job = line.strip()
    if job == "end":
        sys.exit(3)
    if job == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "hang":
        time.sleep(600)
    print(os.getpid(), job, flush=True)
"""


@pytest.fixture
def child(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    child = Child(script)
    yield child
    child.close()


def process_of(child):
    process, job = child.run(pathlib.Path("job"), timeout=60).split()
    assert job == "job"
    return process


def test_jobs_share_one_process(child):
    assert process_of(child) == process_of(child)


@pytest.mark.parametrize(
    ("job", "timeout", "answer"),
    [
        ("end", 60, "failed (exit status 3)"),
        ("crash", 60, "crashed (SIGKILL)"),
        ("hang", 0.5, "late"),
    ],
)
def test_a_job_that_goes_wrong_is_told_and_the_next_has_a_fresh_process(
    child, job, timeout, answer
):
    before = process_of(child)
    assert child.run(pathlib.Path(job), timeout) == answer
    assert process_of(child) != before


def test_the_process_is_replaced_after_many_jobs(child):
    assert len({process_of(child) for _ in range(25)}) == 2
