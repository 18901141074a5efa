"""What a search writes, how it goes on with it, and which folders it refuses."""

import os
import shutil
import signal
import subprocess
import sys

import keras_tuner
import pytest

from kerasnas.oracles import EvolutionOracle, GreedyOracle, HyperbandOracle, RandomOracle, make
from kerasnas.oracles.named import ORACLES
from kerasnas.testing import search


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


def test_the_search_can_be_made_longer(tmp_path, evolution):
    first = search.run(evolution(tmp_path, trials=9))
    longer = search.run(evolution(tmp_path, trials=120))
    assert len(longer) == 120
    assert {row.values for row in first} <= {row.values for row in longer}


def test_the_saved_seed_counts(tmp_path, evolution):
    first = evolution(tmp_path, seed=None)
    search.run(first, trials=3)
    assert evolution(tmp_path, seed=None).seed == first.seed


def test_counts_and_lineage_survive(tmp_path, evolution):
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


def test_a_resumed_search_asks_for_no_key_again(tmp_path, evolution):
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
    with pytest.raises(ValueError, match=rf"its {what}.* is .*overwrite=True.*Received"):
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


def test_what_is_written_for_a_trial_does_not_grow(tmp_path, monkeypatch, evolution):
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
