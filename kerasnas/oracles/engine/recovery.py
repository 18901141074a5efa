"""Reads the folder of a search, even if a kill or a full disk has damaged its files."""

import glob
import os
import pathlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kerasnas.oracles.engine import events, journal
from kerasnas.runtime import sealed
from kerasnas.runtime.run_folder import JOURNAL, SNAPSHOT

ENDED = ("COMPLETED", "FAILED")
# The parts of an ended trial that its trial.json repeats from the journal.
_OUTCOME = ("status", "score", "metrics", "best_step", "message")


@dataclass
class Recovered:
    """Everything that the files of a search say.

    Attributes:
        header: The header, which identifies the search, or None where it cannot be read.
        space: Configurations of the hyperparameters, in order.
        trials: Records by trial id, in the order of the starts: `status`, `values`, `lineage`,
            `runs`, `starts` (how many starts in a row no epoch has followed) and, for trials that
            ended, `score`, `metrics`, `best_step`, `message`.
        ended: Ids of the ended trials, in the order of their ends.
        enqueued: Settings that the user queued.
        builds: How often the process died while it built a proposal to judge it, by the proposal's
            key.
        state: The oracle's state when the last trial was created, or None.
        journaled: Whether the journal has the header, and how many hyperparameters and queued
            settings it has without a gap.
        unjournaled: Ids of trials that are not in the journal but in other files.
        stale: Ids of trials whose `trial.json` is behind or unreadable.
    """

    header: dict[str, Any] | None = None
    space: list[Any] = field(default_factory=list)
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: list[Any] = field(default_factory=list)
    enqueued: list[Any] = field(default_factory=list)
    builds: dict[str, int] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    journaled: tuple[bool, int, int] = (False, 0, 0)
    unjournaled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    # The number of the trial at whose creation `state` was saved.
    state_of: int = -1


def recover(folder: str) -> Recovered:
    """Reads the journal, and completes it from the other files.

    Returns:
        Everything that can be read. A warning names each file that cannot.

    Raises:
        ValueError: A later version of kerasnas wrote the run.
    """
    found = Recovered()
    path = os.path.join(folder, JOURNAL)
    lines, unreadable = journal.read(path, events.check_event)
    for event in lines:
        _apply_event(found, event)
    if unreadable:
        others = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        _warn(f"{path}, line {unreadable[0]}{others}", "What the other files hold of it is kept.")
    found.journaled = (found.header is not None, _whole(found.space), _whole(found.enqueued))
    snapshot, trouble = _load(os.path.join(folder, SNAPSHOT), events.check_snapshot)
    if trouble:
        _warn(trouble, "The journal is used instead.")
    trial_paths = sorted(glob.glob(trial_file(glob.escape(folder), "*")))
    trial_paths = [one for one in trial_paths if events.is_trial_id(_trial_of(one))]
    # Events are written to the journal first: a trial that only other files know was cut off.
    elsewhere = {_trial_of(trial_path) for trial_path in trial_paths}
    elsewhere.update((snapshot or {}).get("start_order", []))
    cut = not unreadable and not elsewhere <= found.trials.keys()
    if cut:
        _warn(f"{path} (cut off or missing)", "What the other files hold of it is kept.")
    damaged = bool(unreadable) or cut or found.header is None
    if snapshot is not None and damaged:
        _apply_snapshot(found, snapshot)
    if lines and found.header is None:
        _warn(f"{path}, line 1", "Whether this folder is of the same search is not checked.")
    for trial_path in trial_paths:
        _apply_trial_file(found, trial_path, damaged)
    found.trials = {
        # Trials are numbered in the order in which they started.
        name: found.trials[name]
        for name in sorted(found.trials, key=int)
        if found.trials[name]["values"] is not None
    }
    found.ended = [name for name in found.ended if name in found.trials]
    found.space = [config for config in found.space if config is not None]
    found.enqueued = [values for values in found.enqueued if values is not None]
    found.stale += [name for name in found.trials if not os.path.exists(trial_file(folder, name))]
    return found


def trial_file(folder: str, trial_id: str) -> str:
    """Returns the file in which KerasTuner keeps a trial.

    Args:
        folder: The project folder.
        trial_id: The trial's id.

    Returns:
        The path of its `trial.json`.

    Example:

    ```python
    trial_file("runs/digits", "03")   # "runs/digits/trial_03/trial.json"
    ```
    """
    return os.path.join(folder, f"trial_{trial_id}", "trial.json")


def _apply_event(found: Recovered, event: dict[str, Any]) -> None:
    kind = event.pop("event")
    at = event.pop("at", None)
    if kind == "header":
        found.header = found.header or event
    elif kind == "space":
        _put(found.space, event["hyperparameters"], at)
    elif kind == "enqueued":
        _put(found.enqueued, [event["values"]], at)
    elif kind in ("building", "built"):
        key, change = event["key"], 1 if kind == "building" else -1
        found.builds[key] = max(found.builds.get(key, 0) + change, 0)
    elif kind in events.OF_TRIALS:
        trial_id = event.pop("trial")
        if "state" in event:
            found.state, found.state_of = event.pop("state"), int(trial_id)
        trial = found.trials.setdefault(trial_id, _unknown())
        trial.update(event)
        trial["starts"] = _starts(kind, trial["starts"])
        if kind == "requeued":
            trial.update(dict.fromkeys(_OUTCOME), status="RUNNING", requeued=True)
            found.ended = [name for name in found.ended if name != trial_id]
        if kind == "ended" and trial_id not in found.ended:
            taken = at is not None and at < len(found.ended) and found.ended[at] is not None
            _put(found.ended, [trial_id], None if taken else at)


def _starts(kind: str, before: int) -> int:
    """Returns how many starts in a row no epoch has followed, after an event."""
    if kind == "started":
        return before + 1
    if kind == "cleared":
        return max(before - 1, 0)
    return 0 if kind in ("retried", "ended", "requeued") else before


def _put(known: list[Any], new: list[Any], at: int | None) -> None:
    """Puts entries at their position, and None where a line with earlier ones was lost."""
    # Version 0.1.0 did not save the position.
    at = len(known) if at is None else at
    known += [None] * (at + len(new) - len(known))
    known[at : at + len(new)] = new


def _fill(known: list[Any], all_of_them: list[Any]) -> None:
    """Puts missing entries into the gaps, in order, and the rest at the end."""
    for entry in all_of_them:
        if entry not in known:
            _put(known, [entry], known.index(None) if None in known else None)


def _whole(known: list[Any]) -> int:
    """Returns how many entries there are before the first gap."""
    return known.index(None) if None in known else len(known)


def _apply_snapshot(found: Recovered, snapshot: dict[str, Any]) -> None:
    """Adds what `oracle.json` has and a damaged or missing journal has not."""
    ours = snapshot.get("kerasnas", {})
    found.header = found.header or ours.get("header")
    _fill(found.space, snapshot.get("hyperparameters", {}).get("space", []))
    started = snapshot.get("start_order", [])
    last = max(map(int, started), default=-1)
    if found.state is None or last > found.state_of:
        found.state, found.state_of = ours.get("state", found.state), last
    _fill(found.enqueued, ours.get("enqueued", []))
    for trial_id in started:
        trial = found.trials.setdefault(trial_id, _unknown())
        trial["lineage"] = trial["lineage"] or ours.get("lineage", {}).get(trial_id, {})
    # Trials that ended after the snapshot are added later, in the order of their files' names.
    _fill(found.ended, snapshot.get("end_order", []))


def _apply_trial_file(found: Recovered, path: str, damaged: bool) -> None:
    trial_id = _trial_of(path)
    content, trouble = _load(path, events.check_trial)
    known = found.trials.get(trial_id)
    if content is None:
        rebuilt = known is not None and known["values"] is not None
        then = "It is rebuilt from the journal." if rebuilt else "This trial is lost."
        _warn(trouble or path, then)
        if rebuilt:
            found.stale.append(trial_id)
        return
    values = content["hyperparameters"]["values"]
    if damaged:
        _fill(found.space, content["hyperparameters"]["space"])
    if known is not None and known["status"] in ENDED:
        outcome = {name: known[name] for name in _OUTCOME}
        if outcome != {name: content[name] for name in _OUTCOME} or known["values"] != values:
            found.stale.append(trial_id)
        return
    if known is not None and known["values"] is not None:
        if content["status"] not in ENDED:
            return
        if known["requeued"] and content["status"] == "FAILED":
            # The file is still the one of the failure before it was queued again.
            found.stale.append(trial_id)
            return
    trial = found.trials.setdefault(trial_id, _unknown())
    trial["values"] = values
    for name in _OUTCOME[1:]:
        trial[name] = content[name]
    found.unjournaled.append(trial_id)
    _fill(found.space, content["hyperparameters"]["space"])
    if content["status"] in ENDED:
        trial["status"] = content["status"]
        _fill(found.ended, [trial_id])


def _trial_of(path: str) -> str:
    return os.path.basename(os.path.dirname(path)).removeprefix("trial_")


def _unknown() -> dict[str, Any]:
    record = dict.fromkeys(("values", "score", "metrics", "best_step", "message", "keys"))
    return {**record, "status": "RUNNING", "lineage": {}, "runs": 0, "starts": 0, "requeued": False}


def _load(path: str, check: Callable[[dict[str, Any]], None]) -> tuple[dict[str, Any] | None, str]:
    """Returns the content of a JSON file, or None and what is wrong with a file that exists."""
    try:
        content = sealed.loads(pathlib.Path(path).read_bytes())
        check(content)
    except FileNotFoundError:
        return None, ""
    except sealed.NewerFormatError as error:
        raise ValueError(f"{path} is {error}") from error
    except (OSError, ValueError) as error:
        return None, f"{path} ({error})"
    return content, ""


def _warn(what: str, then: str) -> None:
    warnings.warn(f"Cannot read {what}. {then}", RuntimeWarning, stacklevel=4)
