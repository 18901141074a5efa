"""An oracle for each strategy and fidelity of the registry."""

import inspect

import keras_tuner
import pytest

from kerasnas import oracles
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.named import ORACLES, oracle_of, parameters
from kerasnas.oracles.registry import ENTRIES, Entry

THEIRS = {
    oracles.BayesianOptimizationOracle: keras_tuner.oracles.BayesianOptimizationOracle,
    oracles.GridSearchOracle: keras_tuner.oracles.GridSearchOracle,
    oracles.HyperbandOracle: keras_tuner.oracles.HyperbandOracle,
    oracles.RandomSearchOracle: keras_tuner.oracles.RandomSearchOracle,
}


@pytest.mark.parametrize(("ours", "theirs"), THEIRS.items(), ids=lambda one: one.__name__)
def test_arguments_come_in_the_order_of_keras_tuners(ours, theirs):
    """Its scripts may give them by position: all that theirs has are ours, at the same places."""
    known = list(inspect.signature(theirs).parameters)
    found = inspect.signature(ours).parameters
    positional = [n for n, one in found.items() if one.kind == one.POSITIONAL_OR_KEYWORD]
    assert positional == known[: len(positional)]
    assert {*known} <= {*found}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_oracle_has_the_arguments_of_its_part_and_of_every_oracle(name):
    oracle, part = ORACLES[name], ENTRIES[name].part
    found = inspect.signature(oracle).parameters
    assert next(iter(found)) == "objective"
    of_every = {*parameters(Oracle)} - {"strategy", "fidelity"}
    other = {"searcher"} if issubclass(part, Fidelity) else {"fidelity"}
    assert {*found} == {*parameters(part)} | of_every | other
    for argument, own in parameters(part).items():
        assert found[argument].default == own.default
        assert found[argument].annotation == own.annotation


@pytest.mark.parametrize("name", ENTRIES)
def test_help_tells_of_the_part_and_of_the_objective(name):
    oracle, part = ORACLES[name], ENTRIES[name].part
    text = inspect.getdoc(oracle)
    assert text.startswith(inspect.getdoc(part).partition("\n")[0])
    assert text.count("Args:\n") == 1
    arguments = text.partition("Args:\n")[2].partition("\n\n")[0]
    for argument in ("objective", "max_trials", *parameters(part), "**kwargs"):
        assert f"    {argument}:" in arguments
    assert ("    searcher:" in arguments) == issubclass(part, Fidelity)
    assert "Example:" in text


@pytest.mark.parametrize("name", ENTRIES)
def test_an_oracle_is_named_after_its_part(name):
    oracle, part = ORACLES[name], ENTRIES[name].part
    assert oracle.__name__ == f"{part.__name__}Oracle"
    assert getattr(oracles, oracle.__name__) is oracle
    made = oracle("val_loss", seed=0)
    assert isinstance(made.fidelity if issubclass(part, Fidelity) else made.strategy, part)


def test_the_number_of_trials_by_default():
    without_limit = {name for name in ORACLES if ORACLES[name]("val_loss").max_trials is None}
    assert without_limit == {"grid", "hyperband"}
    assert {ORACLES[name]("val_loss").max_trials for name in {*ORACLES} - without_limit} == {10}


def test_arguments_reach_part_and_oracle_also_by_position():
    oracle = oracles.EvolutionOracle("val_loss", 50, 12, crossover=0.5, seed=3)
    assert (oracle.max_trials, oracle.seed) == (50, 3)
    assert (oracle.strategy.population_size, oracle.strategy.crossover) == (12, 0.5)
    short = oracles.ASHAOracle("val_loss", 27, 3, 1, None, "evolution", 40)
    assert (short.max_epochs, short.max_trials) == (27, 40)
    assert isinstance(short.strategy, oracles.Evolution)


def test_an_unknown_argument_names_the_oracle():
    with pytest.raises(TypeError, match=r"EvolutionOracle: .*'population'"):
        oracles.EvolutionOracle("val_loss", population=5)


def test_one_line_makes_an_oracle():
    class Mine(oracles.Strategy):
        """Tries what I say.

        Args:
            size: How much of it.

        Example:

        >>> Mine(3)
        """

        def __init__(self, size: int = 3):
            self.size = size

    made = oracle_of(Entry(Mine, defaults={"max_trials": None}))
    oracle = made("val_loss", None, 5)
    assert (made.__name__, oracle.strategy.size, oracle.max_trials) == ("MineOracle", 5, None)
    assert "objective: As in" in made.__doc__
