import keras_tuner
import pytest

from kerasnas import oracles
from kerasnas.oracles.named import ORACLES
from kerasnas.testing import search


@pytest.mark.parametrize("name", ORACLES)
def test_every_strategy_by_its_name(name):
    oracle = oracles.make(name, objective="val_loss", max_trials=7, seed=3)
    assert type(oracle) is ORACLES[name]
    assert (oracle.max_trials, oracle.seed, oracle.chosen) == (7, 3, None)
    for given in (type(oracle).__name__, type(oracle)):
        assert type(oracles.make(given, objective="val_loss")) is type(oracle)


def test_settings_reach_the_strategy():
    oracle = oracles.make("Evolution", objective="val_loss", max_trials=None, population_size=9)
    assert (oracle.strategy.population_size, oracle.max_trials) == (9, None)
    with pytest.raises(TypeError, match="population"):
        oracles.make("random", objective="val_loss", population=9)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"Choose one of: auto, .*evolution.*'genetic'"):
        oracles.make("genetic", objective="val_loss")


def test_auto_says_what_it_chose_and_why():
    one = oracles.make("auto", objective="val_loss", max_trials=50)
    assert isinstance(one, oracles.PredictorOracle)
    assert "50 trials" in one.chosen
    several = oracles.make("auto", objective=["val_accuracy", "flash"], max_trials=50)
    assert isinstance(several, oracles.NSGA2Oracle)
    assert "2 objectives" in several.chosen
    small = oracles.make(
        "auto", objective="val_loss", max_trials=50, hyperparameters=search.small_space()
    )
    assert "only 10 settings" in small.chosen
    endless = oracles.make("auto", objective="val_loss", max_trials=None)
    assert "without a limit" in endless.chosen


def test_an_automatic_search_can_be_extended(tmp_path):
    for trials in (10, 200):
        oracle = oracles.make(
            objective=keras_tuner.Objective(*search.OBJECTIVE),
            max_trials=trials,
            hyperparameters=search.conditional_space(),
            seed=0,
        )
        oracle.open(tmp_path)
        assert len(search.run(oracle, trials=10)) == min(trials, 20)


class Needs(oracles.Strategy):
    def __init__(self, top):
        self.top = top


def test_a_class_is_made_with_the_arguments_that_are_its_own():
    made = oracles.make(Needs, objective="val_loss", top=3, max_proposals=7)
    assert (made.strategy.top, made.history.max_proposals) == (3, 7)
    assert type(oracles.make(oracles.Evolution, population_size=9)) is oracles.EvolutionOracle
    hyperband = oracles.make(oracles.Hyperband, max_epochs=9, searcher="evolution")
    assert type(hyperband) is oracles.HyperbandOracle


def test_a_named_strategy_goes_with_a_fidelity():
    made = oracles.make("evolution", fidelity=oracles.Hyperband(9), population_size=5)
    assert (made.max_epochs, made.strategy.population_size) == (9, 5)


@pytest.mark.parametrize("name", ["AUTO", "RandomSearch", "grid_search", "BayesianOptimization"])
def test_names_of_keras_tuner_and_other_spellings(name):
    assert isinstance(oracles.make(name, objective="val_loss"), oracles.Oracle)
