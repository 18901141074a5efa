"""What is restored from the files of a search, whatever has become of them."""

import json
import random
import shutil
import warnings

import pytest

from kerasnas.oracles.engine.recovery import recover, trial_file
from kerasnas.runtime import sealed
from kerasnas.testing import search


@pytest.fixture
def half_way(tmp_path, evolution, outcome):
    search.run(evolution(tmp_path), outcome, trials=16)
    return tmp_path / "search"


@pytest.fixture
def go_on(evolution, outcome):
    """Runs the rest of a search."""
    return lambda project: search.run(evolution(project.parent), outcome)


def finished(project, unbroken):
    """What the unbroken search had when this one was left."""
    return unbroken[1][: len(list(project.glob("trial_*")))]


def flip(path, draw):
    """Flips one bit of a file and says what it was."""
    content = bytearray(path.read_bytes())
    bit = draw.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"bit {bit % 8} of byte {bit // 8}"


def test_no_warning_where_nothing_is_damaged(half_way, unbroken, recwarn, go_on):
    assert go_on(half_way) == unbroken[1]
    assert [str(warning.message) for warning in recwarn if "read" in str(warning.message)] == []


@pytest.mark.parametrize("content", [b"", b'{"ongoing_trials": {', b"[]", b"\xff\xfe"])
def test_oracle_json_damaged(half_way, unbroken, content, go_on):
    (half_way / "oracle.json").write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"oracle\.json"):
        assert go_on(half_way) == unbroken[1]
    assert json.loads((half_way / "oracle.json").read_text())["kerasnas"]


def test_oracle_json_missing(half_way, unbroken, go_on):
    (half_way / "oracle.json").unlink()
    assert go_on(half_way) == unbroken[1]


@pytest.mark.parametrize("content", [b"", b'{"trial_id": "03", "hyper', b"{}"])
def test_trial_json_damaged(half_way, unbroken, content, go_on):
    path = half_way / "trial_03" / "trial.json"
    whole = path.read_bytes()
    path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"trial_03.trial\.json"):
        assert go_on(half_way) == unbroken[1]
    assert json.loads(path.read_text()) == json.loads(whole)


def test_trial_folders_missing(half_way, unbroken, go_on):
    for path in half_way.glob("trial_*"):
        shutil.rmtree(path)
    assert go_on(half_way) == unbroken[1]
    assert len(list(half_way.glob("trial_*/trial.json"))) == len(unbroken[1])


@pytest.mark.parametrize("left", [0.0, 0.001, 0.2, 0.5, 0.77, 0.9, 0.999])
def test_journal_torn_anywhere(half_way, unbroken, left, evolution, outcome):
    """After a power cut its end may be missing, while the trials' files are there."""
    journal = half_way / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: int(len(whole) * left)])
    expected = finished(half_way, unbroken)
    oracle = evolution(half_way.parent)
    kept = [row for row in search.rows(oracle) if row.status != "RUNNING"]
    assert kept == expected
    assert len(kept) > 10
    settings = [row.values for row in search.run(oracle, outcome)]
    assert len(set(settings)) == len(settings) == 24
    # And what was restored from other files is in the journal now, which is enough from here on.
    (half_way / "oracle.json").unlink()
    for path in half_way.glob("trial_*"):
        shutil.rmtree(path)
    again = evolution(half_way.parent)
    assert search.rows(again) == search.rows(oracle)
    assert len(again.hyperparameters.space) == len(search.conditional_space().space)


def test_a_journal_cut_in_the_middle_is_named(half_way, evolution):
    journal = half_way / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl \(cut off or missing\)"):
        evolution(half_way.parent)


def test_journal_missing(half_way, unbroken, evolution, outcome):
    """Its snapshot and the trials' files are enough to keep every finished trial."""
    (half_way / "journal.jsonl").unlink()
    expected = finished(half_way, unbroken)
    oracle = evolution(half_way.parent)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl \(cut off or missing\)"):
        oracle.reload()
    assert search.rows(oracle) == expected
    assert len(search.run(oracle, outcome)) == 24


@pytest.mark.parametrize("number", range(0, 31, 3))
def test_a_line_of_the_journal_damaged(half_way, unbroken, number, evolution, outcome):
    journal = half_way / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    lines[number] = b"\x00" * len(lines[number])
    journal.write_bytes(b"\n".join(lines))
    expected = finished(half_way, unbroken)
    with pytest.warns(RuntimeWarning, match=rf"journal\.jsonl, line {number + 1}"):
        oracle = evolution(half_way.parent)
    assert search.rows(oracle) == expected
    rows = search.run(oracle, outcome)
    assert len({row.values for row in rows}) == len(rows) == 24


@pytest.mark.parametrize("name", ["journal.jsonl", "oracle.json", "trial_03/trial.json"])
def test_a_flipped_bit_changes_nothing_and_is_told(
    half_way, unbroken, name, tmp_path, evolution, outcome
):
    """The other files hold everything: the search goes on as the unbroken one."""
    draw = random.Random(0)
    expected = finished(half_way, unbroken)
    for number in range(60):
        copy = tmp_path / str(number) / "search"
        shutil.copytree(half_way, copy)
        where = flip(copy / name, draw)
        with pytest.warns(RuntimeWarning, match=name.rpartition("/")[2].replace(".", r"\.")):
            oracle = evolution(copy.parent)
        assert search.rows(oracle) == expected, where
        if number % 6 == 0:
            assert search.run(oracle, outcome) == unbroken[1], where
        if name != "journal.jsonl":
            # It was written anew.
            assert sealed.loads((copy / name).read_bytes())
        shutil.rmtree(copy)


def test_a_run_of_version_0_1_0_goes_on_and_is_sealed_from_there_on(half_way, unbroken, go_on):
    """Its lines and files had no checksum, its header a format of its own."""

    def unseal(text):
        record = sealed.loads(text)
        record.pop("at", None)
        return json.dumps({**record, **({"format": 1} if record.get("event") == "header" else {})})

    journal = half_way / "journal.jsonl"
    lines = journal.read_bytes().splitlines()
    journal.write_text("".join(f"{unseal(line)}\n" for line in lines))
    for path in [half_way / "oracle.json", *half_way.glob("trial_*/trial.json")]:
        path.write_text(unseal(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert go_on(half_way) == unbroken[1]
    new = journal.read_bytes().splitlines()[len(lines) :]
    assert new
    assert all(b'"checksum":' in line for line in new)


def test_a_settings_queue_survives_a_lost_line(tmp_path, evolution):
    """What is queued has a place, and the gap that a line leaves is filled from oracle.json."""
    oracle = evolution(tmp_path)
    queued = [{"depth": 1, "bias": bool(number % 2), "block_0": "pool"} for number in range(2)]
    queued.append({"depth": 2, "block_0": "pool", "block_1": "pool"})
    for values in queued:
        oracle.enqueue(values)
    search.run(oracle, trials=2)
    oracle.snapshot()
    journal = tmp_path / "search" / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    place = next(n for n, line in enumerate(lines) if b'"enqueued","values"' in line)
    lines[place] = b"x"
    journal.write_bytes(b"\n".join(lines))
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=r"journal\.jsonl"):
            again = evolution(tmp_path)
        assert again.enqueued == queued
    assert queued[2].items() <= again.create_trial("me").hyperparameters.values.items()


def test_requeued_trials_in_place(tmp_path, evolution):
    oracle = evolution(tmp_path, trials=12)
    search.run(oracle, lambda values: None if values["bias"] else 1.0)
    count = oracle.retry_failed()
    assert count > 0
    # A power cut has lost what reload wrote into the folders of the trials.
    journal = (tmp_path / "search" / "journal.jsonl").read_bytes()
    rows = search.run(oracle)
    assert {row.status for row in rows} == {"COMPLETED"}
    (tmp_path / "search" / "journal.jsonl").write_bytes(journal)
    for path in (tmp_path / "search").glob("trial_*/trial.json"):
        record = sealed.loads(path.read_bytes())
        path.write_text(sealed.dumps({**record, "status": "FAILED", "score": None}))
    again = evolution(tmp_path, trials=12)
    statuses = [row.status for row in search.rows(again)]
    assert statuses.count("RUNNING") == count
    assert "FAILED" not in statuses


def test_what_is_read_is_what_was_written(half_way, evolution):
    oracle = evolution(half_way.parent)
    found = recover(str(half_way))
    assert list(found.trials) == oracle.start_order
    assert found.ended == oracle.end_order
    assert found.journaled == (True, len(search.conditional_space().space), 0)
    assert (found.unjournaled, found.stale) == ([], [])
    for name, record in found.trials.items():
        trial = oracle.trials[name]
        assert (record["status"], record["score"]) == (trial.status, trial.score)
        assert record["values"] == trial.hyperparameters.values
        assert record["lineage"] == oracle.lineage[name]


def test_of_an_empty_folder_nothing_is_known(tmp_path, recwarn):
    found = recover(str(tmp_path))
    assert (found.header, found.trials, found.state) == (None, {}, None)
    assert not recwarn


def test_where_keras_tuner_keeps_a_trial():
    assert trial_file("runs/digits", "03") == "runs/digits/trial_03/trial.json"
