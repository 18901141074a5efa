"""Runs an oracle in a process of its own and kills it: `python -m kerasnas.testing.child`.

Reads one JSON object from standard input: the file and the name of an `OracleConformance` class, a
folder, a number of trials, and pairs of seeds for the kills. Writes one JSON object: the rows of an
unbroken search, and those of each search that was killed twice and then resumed.
"""

import itertools
import json
import os
import pathlib
import random
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import keras_tuner

from kerasnas.testing import search

_ORACLES = os.path.join("kerasnas", "oracles") + os.sep


def main() -> None:
    """Serves the one request on standard input."""
    request = json.load(sys.stdin)
    make = runpy.run_path(request["file"])[request["class"]]().make_oracle
    folder = pathlib.Path(request["folder"])

    def life(name: str) -> list[search.Row]:
        oracle = make(
            objective=keras_tuner.Objective(*search.OBJECTIVE),
            max_trials=request["trials"],
            hyperparameters=search.conditional_space(),
            seed=request["seed"],
            max_retries_per_trial=1,
        )
        oracle.open(folder / name)
        return search.run(oracle, outcome)

    lines = _count_lines(lambda: life("counted"))
    unbroken = life("unbroken")
    killed = [_killed_search(life, folder, number, lines) for number in range(request["kills"])]
    json.dump({"unbroken": unbroken, "killed": killed}, sys.stdout)


def _killed_search(
    life: Callable[[str], list[search.Row]], folder: pathlib.Path, number: int, lines: int
) -> dict[str, Any]:
    """Runs a search in three processes, of which the first two are killed at random lines."""
    draw = random.Random(number)
    name = f"killed_{number}"
    at = [draw.randrange(1, lines), draw.randrange(1, lines)]
    ends = [_fork(lambda: life(name), line) for line in at]
    path = folder / name / "rows.json"
    ends.append(_fork(lambda: path.write_text(json.dumps(life(name))), None))
    return {"at": at, "ends": ends, "rows": json.loads(path.read_text()) if not ends[-1] else None}


def outcome(values: Any) -> float | None:
    """Returns a score, or None for one setting of six, so that its trial fails."""
    score = search.score(values)
    return None if int(score * 1e6) % 6 == 0 else score


def _count_lines(work: Callable[[], Any]) -> int:
    """Returns how many lines of the oracles' code a call runs."""
    lines = itertools.count()
    sys.settrace(_tracer(lambda: next(lines)))
    try:
        work()
    finally:
        sys.settrace(None)
    return next(lines)


def _fork(work: Callable[[], Any], kill_at: int | None) -> int:
    """Does the work in a forked process, which is killed before its `kill_at`-th line.

    Returns:
        0 when the work was done, 1 when it raised an error, or minus the signal that ended it.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        if kill_at is not None:
            lines = itertools.count(1)

            def at_line() -> None:
                if next(lines) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.settrace(_tracer(at_line))
        work()
        sys.settrace(None)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _tracer(at_line: Callable[[], object]) -> Callable[..., Any]:
    def trace(frame: Any, event: str, argument: Any) -> Any:
        return trace_line if _ORACLES in frame.f_code.co_filename else None

    def trace_line(frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            at_line()
        return trace_line

    return trace


if __name__ == "__main__":
    main()
