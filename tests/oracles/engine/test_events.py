"""Runs that somebody else made: nothing in them is executed, nothing outside of them touched."""

import json
import os
import pathlib
import zlib

import keras_tuner
import pytest

from kerasnas.oracles import EvolutionOracle, HyperbandOracle
from kerasnas.oracles.engine import journal
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


def open_search(folder, oracle_class=EvolutionOracle, **kwargs):
    settings = {"hyperparameters": search.conditional_space(), "max_trials": 24, "seed": 3}
    oracle = oracle_class(SCORE, **{**settings, **kwargs})
    oracle.open(folder)
    return oracle


def rewrite(project, change):
    """Writes a journal anew, as anybody can, its checksums included."""
    path = project / "journal.jsonl"
    events, unreadable = journal.read(path)
    assert not unreadable
    path.unlink()
    book = journal.Journal(path)
    for event in events:
        change(event)
        book.append(event)
    book.close()


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "name", ["x/../../../PWN", "../../PWN", "/tmp/PWN", "3\0", "٣", "", "-1", 3]
)
def test_a_trial_that_is_named_like_a_path_is_not_written(tmp_path, name):
    """In the journal, in oracle.json, and as the trial that another one begins from."""
    search.run(open_search(tmp_path), trials=8)
    project = tmp_path / "search"

    def rename(event):
        if event.get("trial") == "03":
            event["trial"] = name

    before = files(tmp_path)
    rewrite(project, rename)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl, line .* and 1 more"):
        oracle = open_search(tmp_path)
    # Other files know the trial under its own name.
    assert [row.trial_id for row in search.rows(oracle)] == [f"{n:02d}" for n in range(8)]
    snapshot = json.loads((project / "oracle.json").read_text())
    del snapshot["format"], snapshot["checksum"]
    snapshot["start_order"][3] = snapshot["end_order"][3] = name
    (project / "oracle.json").write_text(json.dumps(snapshot))
    with pytest.warns(RuntimeWarning, match=r"oracle\.json"):
        search.run(open_search(tmp_path), trials=1)
    assert files(tmp_path) - before == {"search/trial_08", "search/trial_08/trial.json"}


def test_a_trial_that_begins_from_a_path_is_not_handed_out(tmp_path):
    oracle = open_search(tmp_path, HyperbandOracle, max_epochs=4, factor=2, min_epochs=1)
    search.run(oracle)
    promoted = next(
        name
        for name, trial in oracle.trials.items()
        if "tuner/trial_id" in trial.hyperparameters.values
    )

    def lead_out(event):
        if event.get("trial") == promoted:
            event["values"]["tuner/trial_id"] = "../../victim"

    rewrite(tmp_path / "search", lead_out)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl, line"):
        oracle = open_search(tmp_path, HyperbandOracle, max_epochs=4, factor=2, min_epochs=1)
    started = oracle.trials[promoted].hyperparameters.values["tuner/trial_id"]
    assert started in oracle.trials


@pytest.mark.parametrize(
    "change",
    [
        {"class_name": "Lambda"},
        {"config": {"name": "depth", "conditions": [{"class_name": "Lambda", "config": {}}]}},
        {"config": {"conditions": []}},
        {"config": None},
    ],
)
def test_only_hyperparameters_are_made_by_the_names_of_their_classes(tmp_path, change):
    search.run(open_search(tmp_path), trials=3)
    (tmp_path / "search" / "oracle.json").unlink()

    def plant(event):
        if event["event"] == "space":
            event["hyperparameters"][0].update(change)

    rewrite(tmp_path / "search", plant)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl, line 2"):
        assert len(open_search(tmp_path).trials) == 3


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("header", {"seed": "3"}),
        ("created", {"values": [1]}),
        ("created", {"values": {"depth": [1]}}),
        ("created", {"lineage": None}),
        ("ended", {"status": "WON"}),
        ("ended", {"score": "1e9"}),
        ("ended", {"metrics": 3}),
        ("ended", {"at": -1}),
        ("ended", {"at": 10**18}),
        ("space", {"hyperparameters": {}}),
    ],
)
def test_events_of_other_types_are_unreadable_lines(tmp_path, kind, change):
    unbroken = search.run(open_search(tmp_path / "unbroken"))
    search.run(open_search(tmp_path), trials=9)

    def plant(event):
        if event["event"] == kind:
            event.update(change)

    rewrite(tmp_path / "search", plant)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl, line"):
        oracle = open_search(tmp_path)
    assert search.rows(oracle) == unbroken[:9]


@pytest.mark.parametrize(
    "state",
    [{}, {"rng": 1}, {"rng": {"bit_generator": "PCG64", "state": {"state": "x", "inc": 1}}}],
)
def test_a_state_without_sense_names_the_folder(tmp_path, state):
    search.run(open_search(tmp_path), trials=3)

    def plant(event):
        if "state" in event:
            event["state"] = state

    rewrite(tmp_path / "search", plant)
    with pytest.raises(ValueError, match=r"search cannot be read.*overwrite=True"):
        open_search(tmp_path)


def replace_by_link(path, victim):
    path.rename(victim)
    path.symlink_to(victim)


def replace_by_pipe(path, victim):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("replace", [replace_by_link, replace_by_pipe])
@pytest.mark.parametrize("name", ["journal.jsonl", "oracle.json", "trial_03/trial.json"])
def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(tmp_path, replace, name):
    search.run(open_search(tmp_path / "runs"), trials=8)
    victim = tmp_path / "victim"
    replace(tmp_path / "runs" / "search" / name, victim)
    before = victim.read_bytes() if victim.exists() else None
    with pytest.raises(ValueError, match=rf"{name} is no plain file"):
        open_search(tmp_path / "runs")
    assert (victim.read_bytes() if victim.exists() else None) == before


def test_a_trial_folder_that_is_a_link_is_refused(tmp_path):
    search.run(open_search(tmp_path / "runs"), trials=8)
    replace_by_link(tmp_path / "runs" / "search" / "trial_03", tmp_path / "victim")
    with pytest.raises(ValueError, match="trial_03 is no plain file"):
        open_search(tmp_path / "runs")


def test_a_project_that_is_a_link_is_resumed(tmp_path):
    """As those have it who keep their runs on another disk."""
    unbroken = search.run(open_search(tmp_path / "unbroken"))
    search.run(open_search(tmp_path / "runs"), trials=8)
    replace_by_link(tmp_path / "runs" / "search", tmp_path / "disk")
    assert search.run(open_search(tmp_path / "runs")) == unbroken


def test_a_run_of_a_later_version_is_refused_and_left_alone(tmp_path):
    search.run(open_search(tmp_path), trials=3)
    path = tmp_path / "search" / "journal.jsonl"
    lines = path.read_bytes().replace(b'{"format":2,', b'{"format":7,').split(b"\n")
    body = lines[0].rpartition(b',"checksum"')[0]
    path.write_bytes(b"\n".join([body + b',"checksum":"%08x"}' % zlib.crc32(body), b""]))
    before = pathlib.Path(path).read_bytes()
    with pytest.raises(ValueError, match=r"format 7.*update kerasnas"):
        open_search(tmp_path)
    assert path.read_bytes() == before
