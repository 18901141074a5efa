"""What a strategy gets to see of a search."""

import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import Oracle, Random
from kerasnas.oracles.engine.history import History, SearchFacts
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


def history_of(space, max_trials=None, proposal_filter=None):
    judge, lineage = proposal_filter or ProposalFilter(), {"0": {"operator": "random"}}
    facts = SearchFacts(lambda: space, judge, lineage, 7, max_trials)
    return History(facts, Trials(), Ranking([SCORE]))


@pytest.fixture
def oracle(tmp_path):
    oracle = Oracle(Random, SCORE, 30, hyperparameters=search.conditional_space(), seed=4)
    oracle.open(tmp_path)
    return oracle


@pytest.mark.parametrize(
    "name",
    [
        *("max_trials", "max_proposals", "seed", "space", "trials", "started", "running", "ended"),
        *("completed", "failed", "objectives", "asked", "nearest"),
    ],
)
def test_it_is_read_only(name):
    history = history_of(search.small_space())
    with pytest.raises(AttributeError):
        setattr(history, name, None)


def test_it_follows_the_search(oracle):
    history = oracle.history
    assert (history.seed, history.max_trials, history.max_proposals) == (4, 30, 1000)
    assert [(one.name, one.direction) for one in history.objectives] == [search.OBJECTIVE]
    search.run(oracle, lambda v: None if v["bias"] else search.score(v), trials=12)
    running = oracle.create_trial("me")
    assert list(history.trials) == [trial.trial_id for trial in history.started]
    assert list(history.running) == [running.trial_id]
    assert len(history.ended) == 12
    assert {trial.status for trial in history.completed} == {"COMPLETED"}
    assert {trial.status for trial in history.failed} == {"FAILED"}
    assert len(history.completed) + len(history.failed) == 12
    best = history.best(2)
    assert [history.loss(trial) for trial in best] == sorted(
        history.loss(trial) for trial in history.completed
    )[:2]
    assert history.front()[0] is best[0]
    assert history.losses(best[0]) == (history.loss(best[0]),)
    assert history.violation(best[0]) == 0
    assert history.lineage(running.trial_id)["operator"] == "random"
    assert history.lineage("none") == {}


def test_values_are_those_of_hyperparameters_that_matter_now(oracle, make_trial):
    trial = make_trial("0", {"depth": 1, "block_1": "conv", "tuner/epochs": 3}, score=1.0)
    values = oracle.history.values(trial)
    assert values == {
        **{"depth": 1, "block_0": "conv", "block_0/kernel": 3, "block_0/width": 8},
        **{"bias": False, "learning_rate": 1e-4},
    }


def test_a_setting_that_does_not_fit_counts_as_turned_away(filter_of):
    proposal_filter = filter_of(lambda v: {"ram": search.Violation(8, 4)} if v["bias"] else {})
    history = history_of(search.small_space(), proposal_filter=proposal_filter)
    proposal_filter.begin()
    assert history.fits({"op": "pool", "bias": False})
    assert (history.asked, history.nearest) == (1, "")
    assert not history.fits({"op": "pool", "bias": True})
    assert (history.asked, history.nearest) == (2, "ram=8 > limit 4")
    assert proposal_filter.turned_away == 1
    assert history.ruled_out({"op": "pool", "bias": True})
    # Not tried yet, though it fits.
    assert not history.ruled_out({"op": "pool", "bias": False})


@given(st.one_of(st.none(), st.integers(1, 10_000)), st.integers(1, 20), st.integers(1, 50))
def test_a_share_of_the_trials_is_within_its_bounds(max_trials, part, least):
    history = history_of(search.small_space(), max_trials)
    share = history.share_of_trials(part, least, 50)
    assert least <= share <= 50
    assert share in ((max_trials or 100) // part, least, 50)


def test_a_population_must_fit_into_the_space():
    history = history_of(search.small_space())
    for size in (None, 2, 10):
        history.check_population(size)
    with pytest.raises(ValueError, match=r"at most the 10 settings.*population_size=11"):
        history.check_population(11)
    endless = keras_tuner.HyperParameters()
    endless.Float("rate", 0.0, 1.0)
    history_of(endless).check_population(10**9)


def test_another_view_shows_other_trials_of_the_same_search(make_trial):
    history = history_of(search.small_space(), 40)
    trials = Trials()
    trials.begin(make_trial("0"))
    view = history.showing(trials, Ranking([SCORE], losses=lambda trial: (5.0,)))
    assert (list(view.trials), list(history.trials)) == (["0"], [])
    assert view.loss(trials.started[0]) == 5.0
    assert (view.space, view.seed, view.max_trials) == (history.space, 7, 40)
    assert view.lineage("0") == {"operator": "random"}
