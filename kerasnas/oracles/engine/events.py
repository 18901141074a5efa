"""Checks of the events of a journal, and of the files beside it, before they are used.

A run's folder may come from somebody else. Names of trials become names of folders, and names of
classes become objects: both are checked first.
"""

from collections.abc import Iterable
from typing import Any

_SPACE = {"Fixed", "Float", "Int", "Choice", "Boolean"}
_STATUSES = {"RUNNING", "IDLE", "INVALID", "STOPPED", "COMPLETED", "FAILED"}
_LONGEST_NAME = 20
# The largest position in a list that an event may name: lists are filled up to it.
_MOST = 10**7
# Kinds of events that concern a trial.
OF_TRIALS = {"created", "started", "cleared", "reported", "retried", "ended", "requeued"}
_NONE = type(None)
_TYPES: dict[str, Any] = {
    "seed": int,
    "oracle": str,
    "objective": list,
    "settings": dict,
    "identity": dict,
    "values": dict,
    "lineage": dict,
    "state": dict,
    "keys": (list, _NONE),
    "score": (int, float, _NONE),
    "best_step": (int, _NONE),
    "metrics": (dict, _NONE),
    "message": (str, _NONE),
    "runs": int,
    "starts": int,
    "seconds": (int, float, _NONE),
    "key": str,
    "at": int,
}
_NEEDED = {
    "header": {"seed", "oracle", "objective", "settings", "identity"},
    "space": {"hyperparameters"},
    "enqueued": {"values"},
    "building": {"key"},
    "built": {"key"},
    "created": {"values"},
    "reported": {"lineage"},
    "retried": {"values", "status"},
    "ended": {"values", "status", "score", "metrics"},
}


def is_trial_id(name: Any) -> bool:
    """Returns whether a name is a trial's id: digits only, so that it cannot be a path."""
    return (
        isinstance(name, str) and name.isascii() and name.isdigit() and len(name) <= _LONGEST_NAME
    )


def check_ids(names: Iterable[Any]) -> None:
    """Refuses names that are not ids of trials.

    Raises:
        ValueError: One of them is not an id.
    """
    for name in names:
        if not is_trial_id(name):
            raise ValueError(f"the name of a trial must be a number. Received: {name!r}")


def check_event(event: dict[str, Any]) -> None:
    """Refuses an event that no oracle can have written.

    Raises:
        ValueError: Something in it is missing, or of another type.
    """
    kind = event.get("event")
    missing = _NEEDED.get(str(kind), set()) - event.keys()
    if not isinstance(kind, str) or missing:
        raise ValueError(f"an event of kind {kind!r} without {sorted(missing)}")
    check_parts(event)
    if kind in OF_TRIALS:
        check_ids([event.get("trial")])
    if kind == "space":
        check_space(event["hyperparameters"])


def check_parts(record: dict[str, Any]) -> None:
    """Refuses a record that has an entry of a wrong type, or that names an impossible trial.

    Args:
        record: An event, or the content of another file about a trial.

    Raises:
        ValueError: The record has such an entry.
    """
    for name, value in record.items():
        if name in _TYPES and not isinstance(value, _TYPES[name]):
            raise ValueError(f"{name} must not be of type {type(value).__name__}")
    if not 0 <= record.get("at", 0) <= _MOST:
        raise ValueError(f"no place of an event: {record['at']}")
    if record.get("status", "RUNNING") not in _STATUSES:
        raise ValueError(f"no status of a trial: {record['status']!r}")
    values = record.get("values", {})
    for value in values.values():
        if not isinstance(value, (str, int, float, _NONE)):
            raise ValueError(f"a hyperparameter cannot be of type {type(value).__name__}")
    # A promoted trial loads the weights of this one, so its name becomes a path.
    if "tuner/trial_id" in values:
        check_ids([values["tuner/trial_id"]])


def check_space(configs: Any) -> None:
    """Refuses hyperparameters whose classes are not KerasTuner's.

    Raises:
        ValueError: One of them is of another class.
    """
    for config in _list_of_dicts(configs):
        inner = config.get("config")
        if config.get("class_name") not in _SPACE or not isinstance(inner, dict):
            raise ValueError(f"no hyperparameter: {config.get('class_name')!r}")
        if not isinstance(inner.get("name"), str):
            raise ValueError("a hyperparameter without a name")
        for condition in _list_of_dicts(inner.get("conditions", [])):
            if condition.get("class_name") != "Parent":
                raise ValueError(f"no condition: {condition.get('class_name')!r}")


def check_snapshot(snapshot: dict[str, Any]) -> None:
    """Refuses an `oracle.json` that no oracle can have written.

    Raises:
        ValueError: Something in it is of another type.
    """
    for name in ("start_order", "end_order"):
        names = snapshot.get(name, [])
        if not isinstance(names, list):
            raise ValueError(f"{name} must be a list")
        check_ids(names)
    for name in ("hyperparameters", "kerasnas"):
        if not isinstance(snapshot.get(name, {}), dict):
            raise ValueError(f"{name} must be an object")
    check_space(snapshot.get("hyperparameters", {}).get("space", []))
    ours = snapshot.get("kerasnas", {})
    if "header" in ours:
        check_event({"event": "header", **_dict(ours["header"])})
    check_parts({"state": ours.get("state", {}), "lineage": ours.get("lineage", {})})
    for lineage in ours.get("lineage", {}).values():
        _dict(lineage)
    for values in _list_of_dicts(ours.get("enqueued", [])):
        check_parts({"values": values})


def check_trial(content: dict[str, Any]) -> None:
    """Refuses a `trial.json` that no oracle can have written.

    Raises:
        ValueError: Something in it is missing, or of another type.
    """
    missing = {"hyperparameters", "status", "score", "metrics", "best_step", "message"} - {*content}
    if missing:
        raise ValueError(f"without {sorted(missing)}")
    hyperparameters = _dict(content["hyperparameters"])
    check_space(hyperparameters.get("space"))
    check_parts({**content, "values": hyperparameters.get("values")})


def _list_of_dicts(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("a list of objects is missing")
    return found


def _dict(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("an object is missing")
    return found
