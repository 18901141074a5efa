"""Reads back what a search left in its folder, whatever a kill or a full disk did to the files."""

import glob
import json
import os
import pathlib
import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kerasnas.oracles import journal
from kerasnas.utils.run_folder import JOURNAL, SNAPSHOT

ENDED = ("COMPLETED", "FAILED")


class Journaled(NamedTuple):
    """How much of what is known beside the trials the journal itself has said."""

    header: bool = False
    space: int = 0
    enqueued: int = 0


@dataclass
class Recovered:
    """What is known of a search.

    Attributes:
        header: What identifies the search, or None where it cannot be read.
        space: Configurations of the hyperparameters, in order.
        trials: By trial id, in the order of their starts: `status`, `values`, `lineage`, `runs`
            and, of those that ended, `score`, `metrics`, `best_step`, `message`.
        ended: Ids in the order of their ends.
        enqueued: Settings that the user queued.
        state: The oracle's state as of the last trial that was created, or None.
        journaled: How much of this was in the journal.
        unjournaled: Ids of trials that only other files knew.
        stale: Ids of trials whose `trial.json` is behind or unreadable.
    """

    header: dict[str, Any] | None = None
    space: list[dict[str, Any]] = field(default_factory=list)
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    enqueued: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None
    journaled: Journaled = field(default_factory=Journaled)
    unjournaled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def recover(folder: str) -> Recovered:
    """Reads the journal, then what the other files know beyond it.

    Args:
        folder: The project folder of a search.

    Returns:
        All that can be read. A warning names each file that cannot.

    Example:

    ```python
    recover("runs/digits").trials["03"]["score"]
    ```
    """
    found = Recovered()
    path = os.path.join(folder, JOURNAL)
    events, unreadable = journal.read(path)
    for event in events:
        _apply_event(found, event)
    if unreadable:
        _warn(f"{path}, line {unreadable[0]}", "What the other files hold of it is kept.")
    found.journaled = Journaled(found.header is not None, len(found.space), len(found.enqueued))
    snapshot, trouble = _load(os.path.join(folder, SNAPSHOT))
    if trouble:
        _warn(trouble, "The journal is used instead.")
    trial_paths = sorted(glob.glob(trial_file(glob.escape(folder), "*")))
    # Each event is in the journal before it is anywhere else.
    elsewhere = {_trial_of(trial_path) for trial_path in trial_paths}
    elsewhere.update((snapshot or {}).get("start_order", []))
    cut = not unreadable and not elsewhere <= found.trials.keys()
    if cut:
        _warn(f"{path} (cut off or missing)", "What the other files hold of it is kept.")
    damaged = bool(unreadable) or cut or found.header is None
    if snapshot is not None and damaged:
        _apply_snapshot(found, snapshot)
    if events and found.header is None:
        _warn(f"{path}, line 1", "Whether this folder is of the same search is not checked.")
    for trial_path in trial_paths:
        _apply_trial_file(found, trial_path, damaged)
    for trial_id in [name for name, trial in found.trials.items() if trial["values"] is None]:
        del found.trials[trial_id]
    found.ended = [name for name in found.ended if name in found.trials]
    for trial_id in found.trials:
        if not os.path.exists(trial_file(folder, trial_id)):
            found.stale.append(trial_id)
    return found


def trial_file(folder: str, trial_id: str) -> str:
    """Where KerasTuner keeps a trial.

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
    kind = event.pop("event", None)
    if kind == "header":
        found.header = found.header or event
    elif kind == "space":
        found.space += event["hyperparameters"]
    elif kind == "enqueued":
        found.enqueued.append(event["values"])
    elif kind in ("created", "reported", "retried", "ended"):
        trial_id = event.pop("trial")
        found.state = event.pop("state", found.state)
        found.trials.setdefault(trial_id, _unknown()).update(event)
        if kind == "ended" and trial_id not in found.ended:
            found.ended.append(trial_id)


def _apply_snapshot(found: Recovered, snapshot: dict[str, Any]) -> None:
    """Takes from `oracle.json` what a damaged or missing journal does not say."""
    ours = snapshot.get("kerasnas", {})
    found.header = found.header or ours.get("header")
    _add_space(found, snapshot.get("hyperparameters", {}).get("space", []))
    started = snapshot.get("start_order", [])
    if found.state is None or (started and started[-1] not in found.trials):
        found.state = ours.get("state", found.state)
    found.enqueued = found.enqueued or ours.get("enqueued", [])
    for trial_id in started:
        trial = found.trials.setdefault(trial_id, _unknown())
        trial["lineage"] = trial["lineage"] or ours.get("lineage", {}).get(trial_id, {})
    # The order of the files' names then serves for what ended after the snapshot.
    for trial_id in snapshot.get("end_order", []):
        if trial_id not in found.ended:
            found.ended.append(trial_id)


def _apply_trial_file(found: Recovered, path: str, damaged: bool) -> None:
    trial_id = _trial_of(path)
    content, trouble = _load(path)
    known = found.trials.get(trial_id)
    if content is None or "hyperparameters" not in content:
        rebuilt = known is not None and known["values"] is not None
        _warn(
            trouble or path,
            "It is rebuilt from the journal." if rebuilt else "This trial is lost.",
        )
        if rebuilt:
            found.stale.append(trial_id)
        return
    if damaged:
        _add_space(found, content["hyperparameters"]["space"])
    if known is not None and known["status"] in ENDED:
        if content["status"] != known["status"]:
            found.stale.append(trial_id)
        return
    if known is not None and known["values"] is not None and content["status"] not in ENDED:
        return
    trial = found.trials.setdefault(trial_id, _unknown())
    trial["values"] = content["hyperparameters"]["values"]
    for name in ("score", "metrics", "best_step", "message"):
        trial[name] = content[name]
    found.unjournaled.append(trial_id)
    _add_space(found, content["hyperparameters"]["space"])
    if content["status"] in ENDED:
        trial["status"] = content["status"]
        if trial_id not in found.ended:
            found.ended.append(trial_id)


def _trial_of(path: str) -> str:
    return os.path.basename(os.path.dirname(path)).removeprefix("trial_")


def _add_space(found: Recovered, space: list[dict[str, Any]]) -> None:
    found.space += [config for config in space if config not in found.space]


def _unknown() -> dict[str, Any]:
    record = dict.fromkeys(("values", "score", "metrics", "best_step", "message", "keys"))
    return {**record, "status": "RUNNING", "lineage": {}, "runs": 0}


def _load(path: str) -> tuple[dict[str, Any] | None, str]:
    """The content of a JSON file, or None and, where there is a file, what is wrong with it."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None, ""
    except (OSError, UnicodeDecodeError) as error:
        return None, f"{path} ({error})"
    try:
        content = json.loads(text)
    except ValueError:
        return None, f"{path} ({'cut off or damaged' if text else 'empty'})"
    if not isinstance(content, dict):
        return None, f"{path} (not a record)"
    return content, ""


def _warn(what: str, then: str) -> None:
    warnings.warn(f"Cannot read {what}. {then}", RuntimeWarning, stacklevel=4)
