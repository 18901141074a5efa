"""Which timings are of the same model: a fit must not be judged by a model that it has seen."""

import dataclasses
import statistics
from collections.abc import Hashable, Sequence

from kerasnas.hardware.latency.timings import Timing
from kerasnas.hardware.profile import total_work


def merge_repeats(rows: Sequence[Timing]) -> list[Timing]:
    """Gives every model one name and, where it was timed as a whole, one timing: the median.

    Two models are the same if their names are, or what they do: to a fit, a file under two names
    and two networks of the same operators are one. Operators that were timed one by one stay as
    they are, for a model can have several that are equal.

    Args:
        rows: The timings.

    Returns:
        The timings, in the order in which each first stands.
    """
    names = _names(rows)
    merged: dict[Hashable, Timing] = {}
    ms: dict[Hashable, list[float]] = {}
    for number, row in enumerate(rows):
        key = what(row) if row.whole else number
        ms.setdefault(key, []).append(row.ms)
        merged.setdefault(key, dataclasses.replace(row, model=names[row.model]))
    return [dataclasses.replace(row, ms=statistics.median(ms[key])) for key, row in merged.items()]


def what(row: Timing) -> Hashable:
    """Stands for what was timed: equal for equal work."""
    return row.whole, frozenset(row.work.items())


def _names(rows: Sequence[Timing]) -> dict[str, str]:
    """Returns one name for all models that are the same, by each of their names."""
    marks: dict[str, set[Hashable]] = {}
    operators: dict[str, list[Timing]] = {}
    for row in rows:
        known = marks.setdefault(row.model, set())
        if row.whole:
            known.add(what(row))
        else:
            operators.setdefault(row.model, []).append(row)
    for name, timed in operators.items():
        # A report that was read twice, under two names, is recognized by its operators.
        # What they do together is what the timing of the whole model says of its work.
        done = total_work(pair for row in timed for pair in row.work.items())
        marks[name] |= {
            (True, frozenset(done.items())),
            frozenset(what(row) for row in timed),
        }
    same = {name: name for name in marks}

    def first(name: str) -> str:
        while same[name] != name:
            name = same[name]
        return name

    owner: dict[Hashable, str] = {}
    for name, found in marks.items():
        for mark in found:
            same[first(name)] = first(owner.setdefault(mark, name))
    return {name: first(name) for name in marks}
