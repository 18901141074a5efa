import itertools

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import GreedyOracle, genome
from kerasnas.oracles.genome import growth
from kerasnas.testing import search


def test_the_smallest_has_least_numbers_flags_off_and_fewest_decisions():
    hp = keras_tuner.HyperParameters()
    hp.Int("depth", 2, 6, default=4)
    hp.Choice("op", ["conv", "identity"], default="conv")
    with hp.conditional_scope("op", ["conv"]):
        hp.Choice("kernel", [3, 5])
    hp.Boolean("bias", default=True)
    hp.Float("rate", 0.1, 0.5, default=0.3)
    hp.Choice("act", ["relu", "tanh"], default="tanh")
    assert growth.smallest(hp) == {
        "depth": 2,
        "op": "identity",
        "bias": False,
        "rate": 0.1,
        "act": "tanh",
    }


@given(st.integers(0, 10_000))
def test_enlargements_change_one_decision_and_shrink_nothing(seed):
    space = search.conditional_space()
    rng = np.random.default_rng(seed)
    start = genome.sample(space, rng)
    for larger in growth.enlargements(space, start, rng):
        assert larger != start
        assert genome.complete(space, larger) == larger
        assert len(larger) >= len(start)
        common = [name for name in start if name in larger and start[name] != larger[name]]
        assert len(common) == 1
        if isinstance(start[common[0]], (int, float)):
            assert larger[common[0]] > start[common[0]]


def make(folder, **kwargs):
    oracle = GreedyOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=search.conditional_space(),
        grow=True,
        seed=0,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


def size(values):
    return float(len(search.setting(values)) + sum(v for v in values.values() if type(v) is int))


def test_greedy_grows_from_the_smallest_by_the_best_of_each_round(tmp_path):
    oracle = make(tmp_path, max_trials=90, extensions=8)
    search.run(oracle, size)
    lineages = [oracle.lineage[name] for name in oracle.start_order]
    assert lineages[0]["operator"] == "smallest"
    assert oracle.trials["00"].hyperparameters.values["depth"] == 1
    grown = list(itertools.takewhile(lambda one: one["operator"] == "extension", lineages[1:]))
    rounds = [[*group] for _, group in itertools.groupby(grown, lambda one: one["parents"])]
    assert len(rounds) >= 4
    started = 1
    for extensions in rounds:
        # The last rounds have fewer: there is little left to enlarge.
        assert len(extensions) <= 8
        before = [oracle.trials[name] for name in oracle.start_order[:started]]
        assert extensions[0]["parents"] == [max(before, key=lambda t: t.score).trial_id]
        started += len(extensions)
    assert len(rounds[0]) == len(rounds[1]) == 8


def test_it_descends_once_growing_does_not_help(tmp_path):
    oracle = make(tmp_path, max_trials=30, extensions=3)
    search.run(oracle, lambda values: -size(values))
    operators = [oracle.lineage[name]["operator"] for name in oracle.start_order]
    assert operators[:4] == ["smallest", "extension", "extension", "extension"]
    assert "extension" not in operators[4:]


def test_where_the_smallest_does_not_build_the_next_larger_are_tried(tmp_path):
    oracle = make(tmp_path, max_trials=30, extensions=3)
    search.run(oracle, lambda values: None if values["depth"] < 2 else size(values))
    completed = oracle.completed
    assert completed
    failed_first = [name for name in oracle.start_order if oracle.trials[name].status == "FAILED"]
    assert failed_first[0] == "00"
    assert oracle.lineage[completed[0].trial_id]["operator"] == "extension"


@pytest.mark.parametrize("argument", [{"extensions": 0}])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match="`extensions` must be"):
        GreedyOracle("val_loss", grow=True, **argument)


def test_a_choice_of_numbers_grows_by_their_size_not_by_how_they_are_written():
    hp = keras_tuner.HyperParameters()
    hp.Choice("width", [64, 16, 32])
    assert growth.smallest(hp) == {"width": 16}
    larger = growth.enlargements(hp, {"width": 32}, np.random.default_rng(0))
    assert [*larger] == [{"width": 64}]
