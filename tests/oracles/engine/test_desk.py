"""Trials handed out to workers, and taken back."""

import keras_tuner
import pytest

from kerasnas.oracles import Random
from kerasnas.oracles.engine.desk import Desk
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.recovery import trial_file
from kerasnas.oracles.engine.search import Search
from kerasnas.testing import search as searches

SCORE = keras_tuner.Objective(*searches.OBJECTIVE)


@pytest.fixture
def desk_of(tmp_path):
    """Opens a desk; tells its search, how often it was saved, and hands out trials."""

    space = searches.small_space()
    search = Search(Random(), Fidelity(), [SCORE], lambda: space, 9, 100, seed=3)
    search.ledger.begin(str(tmp_path), search.header("RandomOracle", {}))
    saved = []

    def save():
        saved.append(len(search.history.ended))
        search.ledger.save_snapshot({})

    desk = Desk(search, save)

    def begin(worker, max_trials=9):
        values = {"op": "pool", "bias": True}
        return desk.new(
            worker, max_trials, lambda trial_id: {"status": "RUNNING", "values": values}
        )

    return desk, search, saved, begin


def end(desk, trial, status="COMPLETED", retries=0):
    trial.status, trial.score = status, 1.0 if status == "COMPLETED" else None
    return desk.finish(trial, retries)


def test_a_worker_gets_the_trial_again_that_it_has_not_ended(desk_of):
    desk, _, _, begin = desk_of
    assert desk.again("a") is None
    trial = begin("a")
    assert desk.again("a") is trial
    assert desk.again("b") is None
    assert end(desk, trial)
    assert desk.again("a") is None
    assert desk.ongoing == {}


def test_trials_are_numbered_with_as_many_digits_as_there_may_be(desk_of):
    _, _, _, begin = desk_of
    assert begin("a", 100).trial_id == "000"
    assert begin("b", 100).trial_id == "001"
    assert begin("c").trial_id == "2"


def test_as_many_trials_are_handed_out_as_there_may_be(desk_of):
    desk, _, _, begin = desk_of
    assert [begin(worker, 2).status for worker in "abc"] == ["RUNNING", "RUNNING", "STOPPED"]
    assert list(desk.ongoing) == ["a", "b"]


def test_what_did_not_become_a_trial_leaves_no_trace(desk_of):
    desk, search, _, _ = desk_of

    def broken(trial_id):
        search.proposer.rng.random()
        raise ZeroDivisionError

    before = search.proposer.position()
    with pytest.raises(ZeroDivisionError):
        desk.new("a", 9, broken)
    assert search.proposer.position() == before
    assert desk.ongoing == {}


def test_a_trial_is_in_its_file_when_it_begins_and_when_it_ends(desk_of, tmp_path):
    desk, _, _, begin = desk_of
    trial = begin("a")
    path = trial_file(str(tmp_path), trial.trial_id)
    load = keras_tuner.engine.trial.Trial.load
    assert load(path).status == "RUNNING"
    end(desk, trial)
    assert load(path).score == 1.0


def test_an_invalid_trial_waits_for_any_worker_until_its_retries_are_used_up(desk_of):
    desk, search, _, begin = desk_of
    trial = begin("a")
    trial.message = "NaN"
    assert not end(desk, trial, "INVALID", retries=1)
    assert search.ledger.waiting == [trial.trial_id]
    again = desk.again("b")
    assert again is trial
    # What is left of the first run must not hide the second's result.
    assert (again.status, again.score, again.message) == ("RUNNING", None, None)
    assert end(desk, trial, "INVALID", retries=1)
    assert trial.status == "FAILED"
    assert search.ledger.runs[trial.trial_id] == 2


def test_with_no_room_for_its_result_a_trial_has_not_been_run(desk_of, monkeypatch):
    desk, search, _, begin = desk_of
    trial = begin("a")

    def full(*args, **kwargs):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(search.ledger, "append", full)
        with pytest.raises(OSError, match="no space left"):
            end(desk, trial)
    assert search.ledger.runs[trial.trial_id] == 0
    assert desk.again("a") is trial
    assert end(desk, trial)


def test_what_ended_its_process_three_times_has_failed(desk_of):
    desk, search, _, begin = desk_of
    trial = begin("a")
    assert desk.fail_crashed() == []
    desk.ongoing.clear()
    for _ in range(3):
        search.ledger.note_start(trial.trial_id)
    found = search.ledger.read(search.ledger.folder)
    search.restore(found, lambda values: trial.hyperparameters)
    (crashed,) = desk.fail_crashed()
    assert (crashed.trial_id, crashed.status) == (trial.trial_id, "FAILED")
    assert "ended 3 times before its first epoch" in crashed.message
    assert desk.again("a") is None


def test_snapshots_become_rarer_and_the_last_one_has_everything(desk_of):
    desk, _, saved, begin = desk_of
    for _ in range(5):
        end(desk, begin("a"))
    assert saved == [1, 2, 4]
    desk.close(failures_are_seen=True)
    assert saved == [1, 2, 4, 5]
    desk.close(failures_are_seen=True)
    assert saved == [1, 2, 4, 5]


def test_a_search_of_failures_that_nobody_sees_ends_with_an_error(desk_of):
    desk, _, _, begin = desk_of
    end(desk, begin("a"), "FAILED")
    desk.close(failures_are_seen=True)
    with pytest.raises(RuntimeError, match="all 1 failed"):
        desk.close(failures_are_seen=False)
