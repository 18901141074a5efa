"""One search: its strategy, fidelity and ledger, and what it lets pass, joined."""

import keras_tuner
import pytest

from kerasnas.oracles import Evolution, Random
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.search import Search
from kerasnas.testing import search as searches

SCORE = keras_tuner.Objective(*searches.OBJECTIVE)


class Noting(Fidelity):
    run_notes = ("reports",)

    def __init__(self):
        self.retried = []

    def retry(self, trial_id):
        self.retried.append(trial_id)


@pytest.fixture
def space():
    return searches.small_space()


@pytest.fixture
def search(tmp_path, space):
    search = Search(Random(), Noting(), [SCORE], lambda: space, 9, 100, seed=3)
    search.ledger.begin(str(tmp_path), search.header("RandomOracle", {}))
    return search


def begin(search, make_trial, space, values, name="0"):
    trial = make_trial(name, values, space=space)
    search.start(trial, {"parents": [], "operator": "random"})
    return trial


def test_a_header_says_what_the_search_is():
    search = Search(Evolution(), Fidelity(), [SCORE], searches.small_space, 9, 100, seed=3)
    assert search.header("EvolutionOracle", {"model": "A"}) == {
        **{"oracle": "EvolutionOracle", "objective": [["score", "max"]], "settings": {}},
        **{"identity": {"model": "A"}, "seed": 3},
    }


def test_without_a_seed_each_search_draws_its_own():
    seeds = {
        Search(Random(), Fidelity(), [SCORE], searches.small_space, 9, 100, None).facts.seed
        for _ in range(3)
    }
    assert len(seeds) == 3
    assert {type(seed) for seed in seeds} == {int}


def test_a_setting_counts_as_tried_from_its_start_on(search, make_trial, space):
    values = {"op": "pool", "bias": True}
    assert not search.history.ruled_out(values)
    begin(search, make_trial, space, values)
    assert search.history.ruled_out(values)
    assert list(search.history.running) == ["0"]


def test_what_a_trial_has_really_built_counts_as_tried_too(search, make_trial, space):
    """A script can ask for another hyperparameter when it builds."""
    trial = begin(search, make_trial, space, {"op": "pool", "bias": True})
    space.Int("late", 1, 3)
    trial.hyperparameters.values["late"] = 2
    search.changed(space=True)
    trial.status = "COMPLETED"
    search.end(trial)
    assert search.history.ruled_out({"op": "pool", "bias": True, "late": 2})
    assert not search.history.ruled_out({"op": "pool", "bias": True, "late": 3})


def test_notes_of_one_run_are_replaced_by_those_of_the_next(search, make_trial, space):
    trial = begin(search, make_trial, space, {"op": "pool", "bias": True})
    search.note("0", {"reports": {"1": 0.5}})
    search.note("0", {"reports": {"1": 0.5, "3": 0.4}})
    assert search.ledger.lineage["0"] == {
        **{"parents": [], "operator": "random"},
        "reports": {"1": 0.5, "3": 0.4},
    }
    search.retry(trial)
    assert search.ledger.lineage["0"] == {"parents": [], "operator": "random"}
    assert search.fidelity.retried == ["0"]
    assert search.ledger.waiting == ["0"]


def test_another_key_judges_all_trials_anew(search, make_trial, space):
    begin(search, make_trial, space, {"op": "pool", "bias": True})
    search.proposer.stop_reason = "over"
    search.filter.attach(None, lambda values: values["op"])
    search.changed()
    assert search.filter.judge({"op": "pool", "bias": False}) == float("inf")
    assert search.filter.judge({"op": "identity", "bias": False}) == 0
    assert search.proposer.stop_reason is None


def test_what_was_written_is_taken_up(search, make_trial, space, tmp_path):
    trial = begin(search, make_trial, space, {"op": "pool", "bias": True})
    search.proposer.queue.add({"op": "conv"}, space)
    trial.status, trial.score = "COMPLETED", 1.0
    search.end(trial)
    begin(search, make_trial, space, {"op": "conv", "kernel": 3, "bias": True}, "1")

    again = Search(Random(), Noting(), [SCORE], lambda: space, 9, 100, seed=3)
    found = again.ledger.read(str(tmp_path))

    def space_of(values):
        hp = space.copy()
        hp.values = dict(values)
        return hp

    again.restore(found, space_of)
    again.complete(found, again.header("RandomOracle", {}))
    assert list(again.history.running) == again.ledger.waiting == ["1"]
    assert [one.score for one in again.history.completed] == [1.0]
    assert again.history.ruled_out({"op": "pool", "bias": True})
    assert again.proposer.queue.settings == [{"op": "conv"}]
    assert again.proposer.position() == search.proposer.position()
