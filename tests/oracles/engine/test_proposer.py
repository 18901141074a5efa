"""The next trial: a queued setting, a proposal of the strategy, or one that goes on."""

import json

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Evolution, Hyperband, Oracle, Proposal, Strategy
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.history import History, SearchFacts
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.proposer import Proposer
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials
from kerasnas.testing import search
from kerasnas.testing.search import Violation

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


class Scripted(Strategy):
    """Proposes what it is told to, and counts what it keeps."""

    def __init__(self, *coming):
        self.coming, self.count, self.forgot = list(coming), 0, 0

    def propose(self, history, rng):
        self.count += 1
        rng.random()
        return self.coming.pop(0) if self.coming else None

    def state(self):
        return {"count": self.count}

    def set_state(self, state):
        self.count = state["count"]

    def invalidate_cache(self):
        self.forgot += 1


@pytest.fixture
def proposer_of(make_trial):
    """Makes a proposer with its trials and its filter."""

    def make(strategy, fidelity=None, space=None, seed=0):
        space = search.small_space() if space is None else space
        trials, judge = Trials(), ProposalFilter()
        facts = SearchFacts(lambda: space, judge, {}, seed, 10, 50)
        history = History(facts, trials, Ranking([SCORE]))
        return Proposer(strategy, fidelity or Fidelity(), history, judge, seed), trials, judge

    return make


def conv(kernel):
    return Proposal({"op": "conv", "kernel": kernel, "bias": True}, operator="scripted")


def test_queued_settings_come_before_proposals(proposer_of):
    proposer, _, _ = proposer_of(Scripted(conv(5)))
    proposer.queue.add({"op": "pool"}, search.small_space())
    operators = [proposer.next_trial().proposal.operator for _ in range(2)]
    assert operators == ["enqueued", "scripted"]


def test_a_repeat_is_turned_away_and_the_strategy_asked_again(proposer_of):
    proposer, _, judge = proposer_of(Scripted(conv(3), conv(5)))
    judge.remember("0", conv(3).values)
    assert proposer.next_trial().proposal == conv(5)
    assert judge.repeats == 1


def test_waiting_leaves_no_trace(proposer_of, make_trial):
    """How often a worker asks must change nothing."""
    strategy = Scripted()
    proposer, trials, _ = proposer_of(strategy)
    trials.begin(make_trial("0"))
    before = json.dumps(proposer.position())
    for _ in range(3):
        assert proposer.next_trial() is None
    assert json.dumps(proposer.position()) == before
    assert proposer.stop_reason is None
    assert proposer.waits


def test_a_strategy_without_a_proposal_ends_the_search_once_nothing_runs(proposer_of):
    proposer, _, _ = proposer_of(Scripted())
    assert proposer.next_trial() is None
    assert proposer.stop_reason == "the strategy has nothing more to propose"
    assert not proposer.waits


def test_a_strategy_says_itself_why_it_ends(proposer_of):
    strategy = Scripted()
    strategy.end_reason = "every corner was seen"
    proposer, _, _ = proposer_of(strategy)
    proposer.next_trial()
    assert proposer.stop_reason == "every corner was seen"


def test_a_budget_that_nothing_meets_is_the_reason(proposer_of):
    proposer, _, judge = proposer_of(Evolution())
    judge.attach(lambda values: {"ram": Violation(9, 4)}, None)
    assert proposer.next_trial() is None
    assert "ram=9 > limit 4" in proposer.stop_reason


def test_a_fidelity_may_go_on_when_nothing_new_is_proposed(proposer_of):
    proposer, _, _ = proposer_of(Scripted(), Hyperband(max_epochs=9, min_epochs=1))
    assert proposer.next_trial() is None
    assert proposer.stop_reason
    assert proposer.waits


@pytest.mark.parametrize("fidelity", [Fidelity(), Hyperband(max_epochs=9)])
def test_a_position_goes_through_json_and_gives_the_same_proposals(proposer_of, fidelity):
    proposer, _, _ = proposer_of(Evolution(), fidelity, search.conditional_space())
    proposer.next_trial()
    saved = json.loads(json.dumps(proposer.position()))
    first = [proposer.next_trial().proposal for _ in range(5)]
    proposer.take_position(saved)
    assert proposer.position() == saved
    assert [proposer.next_trial().proposal for _ in range(5)] == first
    # And in another process.
    again, _, _ = proposer_of(Evolution(), fidelity, search.conditional_space(), seed=9)
    again.take_position(saved)
    assert [again.next_trial().proposal for _ in range(5)] == first


def test_an_empty_space_is_explored_by_one_trial(proposer_of, make_trial):
    empty = keras_tuner.HyperParameters()
    proposer, trials, judge = proposer_of(Scripted(), space=empty)
    assert proposer.next_trial().proposal == Proposal({}, operator="default")
    trials.begin(make_trial("0"))
    judge.remember("0", {})
    assert proposer.next_trial() is None
    assert proposer.stop_reason is None
    trials.running.clear()
    assert proposer.next_trial() is None
    assert "no hyperparameters" in proposer.stop_reason


def test_a_lineage_names_parents_and_what_has_changed(proposer_of, make_trial):
    parent = make_trial("0", {"op": "conv", "kernel": 3, "bias": True}, score=1.0)
    child = Proposal({"op": "pool", "bias": True}, ("0",), "mutation")
    proposer, trials, _ = proposer_of(Scripted(child))
    trials.begin(parent)
    trials.end(parent)
    lineage = proposer.lineage(proposer.next_trial())
    assert lineage == {"parents": ["0"], "operator": "mutation", "changed": ["op", "kernel"]}


def test_after_a_resume_the_strategy_reads_all_trials_anew(proposer_of):
    strategy = Scripted(conv(3))
    proposer, _, _ = proposer_of(strategy)
    proposer.restart()
    assert strategy.forgot == 1
    proposer.next_trial()
    # Nothing has changed since.
    assert strategy.forgot == 1
    proposer.history.revision += 1
    strategy.coming.append(conv(5))
    proposer.next_trial()
    assert strategy.forgot == 2


def test_a_seed_decides_about_all_that_is_random(proposer_of):
    drawn = [proposer_of(Evolution(), seed=seed)[0].rng.random() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


# ------------------------------------------------------------------ what an outsider tried


class Proposing(Strategy):
    """Proposes what it is given; the state and the settings are what it is given, too."""

    def __init__(self, make, state=None, settings=None):
        self.make, self.kept, self.fixed = make, state or {}, {} if settings is None else settings

    def propose(self, history, rng):
        return self.make(history)

    def state(self):
        return self.kept

    def settings(self):
        return self.fixed


def oracle_of(folder, make, **kwargs):
    strategy = Proposing(make, **kwargs)
    oracle = Oracle(
        strategy,
        keras_tuner.Objective(*search.OBJECTIVE),
        6,
        hyperparameters=search.small_space(),
        seed=0,
    )
    oracle.open(folder)
    return oracle


def test_values_are_completed_and_plain(tmp_path):
    """Missing ones were filled when the model was built: the same network was trained again."""
    given = [{}, {"op": "conv"}, {"op": "pool", "kernel": 3}, {"bias": np.True_, "op": "pool"}]
    coming = iter(given)
    rows = search.run(oracle_of(tmp_path, lambda history: Proposal(next(coming))), trials=2)
    assert dict(rows[0].values) == {"op": "conv", "kernel": 3, "bias": False}
    assert dict(rows[1].values) == {"op": "pool", "bias": False}


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        (7, TypeError, r"Proposing\.propose must return a kerasnas\.oracles\.Proposal.*7"),
        ({"op": "conv"}, TypeError, "must return a kerasnas"),
        (Proposal(None), TypeError, "must return a kerasnas"),
        (Proposal({"op": "dense"}), ValueError, r"Proposing has proposed what.*'op'.*dense"),
        (Proposal({"width": 3}), ValueError, r"Proposing has proposed what.*width"),
        (Proposal({"op": "conv", "kernel": 4}), ValueError, r"'kernel'.*4"),
        (Proposal({"op": "conv", "kernel": float("nan")}), ValueError, r"'kernel'.*nan"),
        (Proposal({"op": "conv"}, parents=("07",)), ValueError, r"ids of trials.*'07'"),
    ],
)
def test_what_is_no_proposal_is_refused_by_name_and_leaves_no_trace(
    tmp_path, found, error, message
):
    oracle = oracle_of(tmp_path, lambda history: found)
    with pytest.raises(error, match=message):
        oracle.create_trial("me")
    assert not oracle.trials


def test_what_a_strategy_is_shown_cannot_be_changed(tmp_path):
    def change(history):
        for spoil in (
            lambda: history.trials.clear(),
            lambda: history.completed.sort(),
            lambda: history.running.pop("0"),
            lambda: history.ended.__setitem__(0, None),
            lambda: history.lineage("0").update(a=1),
        ):
            with pytest.raises((AttributeError, TypeError)):
                spoil()
        return Proposal({})

    oracle = oracle_of(tmp_path / "one", change)
    assert oracle.create_trial("me").status == "RUNNING"
    adding = oracle_of(tmp_path / "two", lambda history: history.space.Int("more", 1, 3))
    with pytest.raises(RuntimeError, match=r"history\.space: only trials may.*'more'"):
        adding.create_trial("me")


def test_a_strategy_that_has_searched_does_not_begin_another_search(tmp_path):
    oracle = oracle_of(tmp_path / "first", lambda history: Proposal({}))
    again = Oracle(oracle.strategy, keras_tuner.Objective(*search.OBJECTIVE))
    assert again.strategy is not oracle.strategy
    oracle.create_trial("me")
    with pytest.raises(ValueError, match="make a new Proposing"):
        Oracle(oracle.strategy, keras_tuner.Objective(*search.OBJECTIVE))


def test_what_json_cannot_hold_is_named(tmp_path):
    oracle = oracle_of(tmp_path / "state", lambda h: Proposal({}), state={"seen": {1, 2}})
    with pytest.raises(TypeError, match=r"What Proposing\.state\(\) .*\{1, 2\}"):
        oracle.create_trial("me")
    for number, settings in enumerate(([1], "a", {"sizes": {1, 2}}, 3)):
        with pytest.raises(TypeError, match=r"settings\(\) must return a dict"):
            oracle_of(tmp_path / str(number), lambda h: Proposal({}), settings=settings)


def test_a_strategy_that_cannot_be_copied_is_told_from_its_class():
    with pytest.raises(TypeError, match="is copied for its search, and Proposing cannot be"):
        Oracle(Proposing(number for number in range(3)), "val_loss")


def test_a_tuner_of_keras_tuners_is_told_that_nothing_could_be_run(tmp_path):
    oracle = Oracle(Proposing(lambda history: None), "val_loss", 4, search.small_space())
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=lambda hp: None, directory=tmp_path)
    with pytest.raises(RuntimeError, match="No trial could be run: the strategy has nothing more"):
        tuner.search()


def test_a_trial_ends_with_one_of_three_statuses(tmp_path):
    oracle = oracle_of(tmp_path, lambda history: Proposal({}))
    trial = oracle.create_trial("me")
    trial.status = "DONE"
    with pytest.raises(ValueError, match=r"COMPLETED, INVALID, FAILED.*'DONE'"):
        oracle.end_trial(trial)
