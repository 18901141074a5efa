"""The interface of a strategy, and what one search makes of it."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Evolution, Oracle, Proposal, Random, Strategy, genome
from kerasnas.oracles.engine.strategy import is_strategy, made
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


class Counting(Strategy):
    """Keeps how often it was asked, and settings of its own."""

    def __init__(self, settings=()):
        self.asked, self.mine = 0, list(settings)

    def propose(self, history, rng):
        self.asked += 1
        return Proposal(genome.sample(history.space, rng))


class Needy(Strategy):
    def __init__(self, size):
        self.size = size


def test_two_oracles_with_one_strategy_object_share_no_state(tmp_path):
    given = Counting([1])
    oracles = [Oracle(given, SCORE, hyperparameters=search.small_space(), seed=0) for _ in range(2)]
    for oracle, trials in zip(oracles, (1, 3), strict=True):
        oracle.open(tmp_path / str(trials))
        search.run(oracle, trials=trials)
        oracle.strategy.mine.append(trials)
    assert [oracle.strategy.asked for oracle in oracles] == [1, 3]
    assert [oracle.strategy.mine for oracle in oracles] == [[1, 1], [1, 3]]
    assert (given.asked, given.mine) == (0, [1])


def test_a_class_is_made_and_an_object_is_copied():
    given = Evolution(population_size=9)
    copied = made(given)
    assert copied is not given
    assert copied.population_size == 9
    assert type(made(Random)) is Random


@pytest.mark.parametrize("value", [None, "evolution", 3, keras_tuner.Oracle])
def test_what_is_no_strategy(value):
    assert not is_strategy(value)
    with pytest.raises(TypeError, match=r"must be a kerasnas\.oracles\.Strategy.* Received"):
        made(value)


def test_a_class_that_needs_arguments_says_so():
    assert is_strategy(Needy)
    assert is_strategy(Needy(3))
    with pytest.raises(TypeError, match=r"strategy=Needy.*pass Needy\(\.\.\.\).*size"):
        made(Needy)


def test_only_propose_has_to_be_defined(tmp_path):
    """The rest of the interface does nothing where a strategy does not say otherwise."""
    oracle = Oracle(Counting, SCORE, hyperparameters=search.small_space(), seed=0)
    strategy = oracle.strategy
    assert (strategy.state(), strategy.settings()) == ({}, {})
    strategy.set_state({})
    strategy.invalidate_cache()
    assert strategy.note(oracle.history, {}, np.random.default_rng(0)) is None
    strategy.check_objectives(["val_loss"])
    with pytest.raises(ValueError, match=r"Counting searches for one objective.*\['a', 'b'\]"):
        strategy.check_objectives(["a", "b"])
    with pytest.raises(NotImplementedError, match="Needy must define propose"):
        Needy(3).propose(oracle.history, np.random.default_rng(0))


class Noting(Counting):
    multi_objective = True

    def note(self, history, values, rng):
        return {"seen": len(history.trials), "values": dict(values)}


def test_what_a_strategy_notes_is_in_the_lineage(tmp_path):
    oracle = Oracle(Noting, SCORE, 3, hyperparameters=search.small_space(), seed=0)
    oracle.open(tmp_path)
    oracle.enqueue({"op": "pool"})
    rows = search.run(oracle)
    # Of a queued setting, too.
    assert [oracle.lineage[row.trial_id]["seen"] for row in rows] == [0, 1, 2]
    assert [oracle.lineage[row.trial_id]["values"] for row in rows] == [
        dict(row.values) for row in rows
    ]
