"""All strategies and fidelities by name."""

import keras_tuner
import pytest

from kerasnas import oracles
from kerasnas.oracles import (
    Evolution,
    EvolutionOracle,
    GridOracle,
    HyperbandOracle,
    LocalSearch,
    Oracle,
    Strategy,
)
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.registry import ENTRIES, find, strategy_of
from kerasnas.testing import search


class Needy(Strategy):
    def __init__(self, size):
        self.size = size


@pytest.mark.parametrize(
    "spelled",
    [
        *("local_search", "LocalSearch", "LocalSearchOracle", "local-search", "LOCAL_SEARCH"),
        *("localsearch", "local_search_oracle", "localSearch"),
    ],
)
def test_a_name_is_found_however_it_is_written(spelled):
    assert find(spelled) == "local_search"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_part_is_found_by_its_name_and_its_classes(name):
    part = ENTRIES[name].part
    for spelled in (name, part.__name__, f"{part.__name__}Oracle"):
        assert find(spelled) == name
    assert getattr(oracles, part.__name__) is part
    assert issubclass(part, Strategy) != issubclass(part, Fidelity)


@pytest.mark.parametrize("name", ["genetic", "", "oracle", "evolution2", 3, None])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match=r"Choose one of: auto, asha, .*simulated_annealing"):
        find(name, "auto")


def test_where_a_strategy_is_wanted_fidelities_have_no_name():
    assert find("Hyperband") == "hyperband"
    with pytest.raises(ValueError, match=r"Choose one of: bayesian, (?!.*hyperband)"):
        find("Hyperband", kind=Strategy)


# ---------------------------------------------------------------------- strategy_of


@pytest.mark.parametrize(
    "searcher",
    [
        *("local_search", "LocalSearchOracle", LocalSearch, LocalSearch(initial_samples=4)),
        *(oracles.LocalSearchOracle, oracles.LocalSearchOracle("val_loss")),
        *(Oracle(LocalSearch, "val_loss"), oracles.LocalSearchOracle()),
    ],
    ids=lambda value: f"{getattr(value, '__name__', type(value).__name__)}",
)
def test_every_way_to_name_a_strategy(searcher):
    assert type(strategy_of(searcher, "val_loss")) is LocalSearch


def test_a_strategy_that_is_given_is_copied_with_its_arguments():
    given = LocalSearch(initial_samples=4)
    found = strategy_of(given, "val_loss")
    assert found is not given
    assert found.initial_samples == 4


def test_a_subclass_of_version_0_1_proposes_for_another_oracle(tmp_path):
    class Mine(EvolutionOracle):
        def propose(self, rng):
            proposal = super().propose(rng)
            return oracles.Proposal(proposal.values, proposal.parents, "mine")

    with pytest.warns(DeprecationWarning, match="Mine defines propose"):
        oracle = HyperbandOracle(
            keras_tuner.Objective(*search.OBJECTIVE),
            max_epochs=4,
            searcher=Mine,
            hyperparameters=search.conditional_space(),
            seed=0,
        )
    oracle.open(tmp_path)
    search.run(oracle, trials=5)
    assert "mine" in {one["operator"] for one in oracle.lineage.values()}


@pytest.mark.parametrize("searcher", [Needy, "needy-oracle"])
def test_what_cannot_be_made_says_what_to_pass(searcher):
    class NeedyOracle(Oracle):
        def __init__(self, size, **kwargs):
            super().__init__(Needy(size), **kwargs)

    given = NeedyOracle if searcher == "needy-oracle" else searcher
    with pytest.raises(TypeError, match=rf"{given.__name__} cannot be made.*pass"):
        strategy_of(given, "val_loss")


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        ("hyperband", "There is no strategy of that name"),
        (HyperbandOracle, "searcher must be one of bayesian"),
        (HyperbandOracle("val_loss"), "trains each trial in full"),
        (keras_tuner.oracles.RandomSearchOracle, "searcher must be one of"),
        (3, "Received: searcher=3"),
        (GridOracle("val_accuracy"), "must have the objective of this oracle, or none"),
        (EvolutionOracle("val_loss", warm_start=[{"x": 1}]), "warm_start must be given to this"),
    ],
)
def test_what_is_refused(searcher, message):
    with pytest.raises(ValueError, match=message):
        strategy_of(searcher, "val_loss")


def test_several_objectives_must_be_the_same_in_the_same_order():
    objectives = ["val_accuracy", "flash"]
    searcher = oracles.NSGA2Oracle(objectives)
    assert type(strategy_of(searcher, objectives)) is oracles.NSGA2
    with pytest.raises(ValueError, match="must have the objective of this oracle"):
        strategy_of(searcher, objectives[::-1])
    assert type(strategy_of(Evolution, objectives)) is Evolution
