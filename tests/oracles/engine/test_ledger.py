"""What is restored from damaged files, and what is refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import warnings

import keras_tuner
import pytest

from kerasnas.oracles import EvolutionOracle, GreedyOracle, HyperbandOracle, RandomOracle, make
from kerasnas.oracles.named import ORACLES
from kerasnas.runtime import sealed
from kerasnas.testing import search


def evolution(folder, trials=24, **kwargs):
    oracle = EvolutionOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=trials,
        hyperparameters=search.conditional_space(),
        seed=kwargs.pop("seed", 3),
        max_retries_per_trial=1,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


def outcome(values):
    return None if int(search.score(values) * 1e6) % 5 == 0 else search.score(values)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, search.run(evolution(folder), outcome)


@pytest.fixture
def half_way(tmp_path):
    search.run(evolution(tmp_path), outcome, trials=16)
    return tmp_path / "search"


def finished(project, unbroken):
    """What the unbroken search had when this one was left."""
    return unbroken[1][: len(list(project.glob("trial_*")))]


def go_on(project):
    return search.run(evolution(project.parent), outcome)


def test_no_warning_where_nothing_is_damaged(half_way, unbroken, recwarn):
    assert go_on(half_way) == unbroken[1]
    assert [str(warning.message) for warning in recwarn if "read" in str(warning.message)] == []


@pytest.mark.parametrize("content", [b"", b'{"ongoing_trials": {', b"[]", b"\xff\xfe"])
def test_oracle_json_damaged(half_way, unbroken, content):
    (half_way / "oracle.json").write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"oracle\.json"):
        assert go_on(half_way) == unbroken[1]
    assert json.loads((half_way / "oracle.json").read_text())["kerasnas"]


def test_oracle_json_missing(half_way, unbroken):
    (half_way / "oracle.json").unlink()
    assert go_on(half_way) == unbroken[1]


@pytest.mark.parametrize("content", [b"", b'{"trial_id": "03", "hyper', b"{}"])
def test_trial_json_damaged(half_way, unbroken, content):
    path = half_way / "trial_03" / "trial.json"
    whole = path.read_bytes()
    path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"trial_03.trial\.json"):
        assert go_on(half_way) == unbroken[1]
    assert json.loads(path.read_text()) == json.loads(whole)


def test_trial_folders_missing(half_way, unbroken):
    for path in half_way.glob("trial_*"):
        shutil.rmtree(path)
    assert go_on(half_way) == unbroken[1]
    assert len(list(half_way.glob("trial_*/trial.json"))) == len(unbroken[1])


@pytest.mark.parametrize("left", [0.0, 0.001, 0.2, 0.5, 0.77, 0.9, 0.999])
def test_journal_torn_anywhere(half_way, unbroken, left):
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


def test_a_journal_cut_in_the_middle_is_named(half_way):
    journal = half_way / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl \(cut off or missing\)"):
        evolution(half_way.parent)


def test_journal_missing(half_way, unbroken):
    """Its snapshot and the trials' files are enough to keep every finished trial."""
    (half_way / "journal.jsonl").unlink()
    expected = finished(half_way, unbroken)
    oracle = evolution(half_way.parent)
    with pytest.warns(RuntimeWarning, match=r"journal\.jsonl \(cut off or missing\)"):
        oracle.reload()
    assert search.rows(oracle) == expected
    assert len(search.run(oracle, outcome)) == 24


@pytest.mark.parametrize("number", range(0, 31, 3))
def test_a_line_of_the_journal_damaged(half_way, unbroken, number):
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


def flip(path, draw):
    """Flips one bit of a file and says what it was."""
    content = bytearray(path.read_bytes())
    bit = draw.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"bit {bit % 8} of byte {bit // 8}"


@pytest.mark.parametrize("name", ["journal.jsonl", "oracle.json", "trial_03/trial.json"])
def test_a_flipped_bit_changes_nothing_and_is_told(half_way, unbroken, name, tmp_path):
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


def test_a_run_of_version_0_1_0_goes_on_and_is_sealed_from_there_on(half_way, unbroken):
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


def test_a_settings_queue_survives_a_lost_line(tmp_path):
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


def test_keras_tuner_reads_the_snapshot(unbroken):
    folder, rows = unbroken
    theirs = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective(*search.OBJECTIVE))
    theirs._set_project_dir(str(folder), "search")
    theirs.reload()
    assert {name: trial.score for name, trial in theirs.trials.items()} == {
        row.trial_id: row.score for row in rows
    }
    best = max(row.score for row in rows if row.score)
    assert theirs.get_best_trials(1)[0].score == best


def test_the_search_can_be_made_longer(tmp_path):
    first = search.run(evolution(tmp_path, trials=9))
    longer = search.run(evolution(tmp_path, trials=120))
    assert len(longer) == 120
    assert {row.values for row in first} <= {row.values for row in longer}


def test_the_saved_seed_counts(tmp_path):
    first = evolution(tmp_path, seed=None)
    search.run(first, trials=3)
    assert evolution(tmp_path, seed=None).seed == first.seed


def test_counts_and_lineage_survive(tmp_path):
    oracle = evolution(tmp_path, trials=40)
    oracle.attach(
        gate=lambda values: {} if values["depth"] > 1 else {"ram": search.Violation(2, 1)},
        key=lambda values: str({**values, "learning_rate": 0}),
    )
    search.run(oracle)
    again = evolution(tmp_path, trials=40)
    assert again.lineage == oracle.lineage
    assert any(lineage["parents"] for lineage in again.lineage.values())
    assert again.turned_away == oracle.turned_away > 0
    assert again.repeats == oracle.repeats > 0


def test_a_resumed_search_asks_for_no_key_again(tmp_path):
    oracle = evolution(tmp_path)
    oracle.attach(key=lambda values: str(sorted(values.items())))
    search.run(oracle, trials=10)
    asked = []

    again = EvolutionOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=24,
        hyperparameters=search.conditional_space(),
        seed=3,
        max_retries_per_trial=1,
    )
    again.attach(key=lambda values: asked.append(values) or str(sorted(values.items())))
    again.open(tmp_path)
    assert len(again.completed) == 10
    assert asked == []
    # A tuner without a key, and then one with: the names of the old trials are made up for.
    search.run(evolution(tmp_path), trials=2)
    third = evolution(tmp_path)
    third.attach(key=lambda values: asked.append(values) or "all the same")
    assert len(asked) == 12
    assert third.create_trial("me").status == "STOPPED"


def another(oracle_class=EvolutionOracle, objective=search.OBJECTIVE, identity=None, **kwargs):
    oracle = oracle_class(
        keras_tuner.Objective(*objective), hyperparameters=search.conditional_space(), **kwargs
    )
    oracle.identity = identity or {}
    return oracle


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({}, {"objective": ("loss", "min")}, "objective"),
        ({}, {"oracle_class": GreedyOracle}, "oracle"),
        ({"identity": {"model": "A"}}, {"identity": {"model": "B"}}, "identity"),
        (
            {"oracle_class": HyperbandOracle, "max_epochs": 4},
            {"oracle_class": HyperbandOracle, "max_epochs": 9},
            "settings",
        ),
    ],
)
def test_a_folder_of_another_search_is_refused_and_left_alone(tmp_path, first, second, what):
    another(**first).open(tmp_path)
    before = (tmp_path / "search" / "journal.jsonl").read_bytes()
    with pytest.raises(ValueError, match=rf"its {what} is .*overwrite=True.*Received"):
        another(**second).open(tmp_path)
    assert (tmp_path / "search" / "journal.jsonl").read_bytes() == before


def test_an_identity_that_was_not_known_is_no_contradiction(tmp_path):
    another().open(tmp_path)
    another(identity={"model": "A"}).open(tmp_path)


def identity(hp):
    hp.Float("x", 0, 1)


class PlainTuner(keras_tuner.Tuner):
    def run_trial(self, trial):
        return trial.hyperparameters.get("x")


def test_a_killed_plain_tuner_resumes_though_it_had_saved_nothing(tmp_path):
    """KerasTuner calls `reload` only when its own file is there, which it writes after a trial."""
    script = """
import os, signal, sys, keras_tuner
from kerasnas.oracles import RandomOracle
class Tuner(keras_tuner.Tuner):
    def run_trial(self, trial):
        os.kill(os.getpid(), signal.SIGKILL)
def build(hp):
    hp.Float("x", 0, 1)
oracle = RandomOracle(max_trials=3, seed=0)
Tuner(oracle=oracle, hypermodel=build, directory=sys.argv[1], project_name="killed").search()
"""
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", script, tmp_path], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "journal.jsonl").exists()

    def run(project):
        oracle = RandomOracle(max_trials=3, seed=0)
        PlainTuner(
            oracle=oracle, hypermodel=identity, directory=tmp_path, project_name=project
        ).search()
        return search.rows(oracle)

    assert run("killed") == run("unbroken")
    assert len(list((tmp_path / "killed").glob("trial_*"))) == 3


def test_keras_tuner_deletes_nothing_outside_of_the_directory(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("mine")
    for name in ("../victim", str(victim), "."):
        with pytest.raises(ValueError, match="project_name"):
            PlainTuner(
                oracle=RandomOracle(max_trials=3, seed=0),
                hypermodel=identity,
                directory=tmp_path / "runs",
                project_name=name,
                overwrite=True,
            )
        with pytest.raises(ValueError, match="project_name"):
            RandomOracle(max_trials=3).open(tmp_path / "runs", name)
    assert (victim / "thesis.txt").read_text() == "mine"


def test_what_is_written_for_a_trial_does_not_grow(tmp_path, monkeypatch):
    """One line when it starts, one when it ends, one wait for the disk, its own file twice."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(descriptor))
    oracle = evolution(tmp_path, trials=400)
    journal = tmp_path / "search" / "journal.jsonl"

    def cost():
        size, syncs = journal.stat().st_size, len(synced)
        search.run(oracle, trials=20)
        return journal.stat().st_size - size, len(synced) - syncs

    search.run(oracle, trials=80)
    early = cost()
    search.run(oracle, trials=260)
    late = cost()
    assert late[1] == early[1] == 20
    assert late[0] < 1.2 * early[0]


@pytest.mark.parametrize("name", sorted({*ORACLES} - {"bayesian", "optuna"}))
def test_failed_trials_are_run_again_in_place_as_after_a_resume(tmp_path, name):
    """What a strategy has derived from the old order of ends must not stay."""

    def fresh(project):
        oracle = make(
            name,
            objective=keras_tuner.Objective(*search.OBJECTIVE),
            max_trials=20,
            hyperparameters=search.conditional_space(),
            seed=3,
        )
        oracle.open(tmp_path, project)
        return oracle

    def fails(values):
        # The digits of a score are as good as random.
        return None if int(search.score(values) * 1e6) % 2 == 0 else search.score(values)

    oracle = fresh("first")
    before = search.run(oracle, fails, trials=12)
    failed = [row.trial_id for row in before if row.status == "FAILED"]
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert oracle.retry_failed() == len(failed) > 0
    rows = search.run(oracle)
    assert {row.status for row in rows} == {"COMPLETED"}
    assert [row.values for row in rows[: len(before)]] == [row.values for row in before]
    again = fresh("second")
    again.retry_failed()
    # The files of a trial may be those of its failure still.
    assert search.run(fresh("second")) == rows
    assert again.retry_failed() == 0
    oracle = fresh("first")
    assert oracle.retry_failed() == 0
    assert search.rows(oracle) == rows


def test_requeued_trials_in_place(tmp_path):
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
