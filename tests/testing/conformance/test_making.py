"""An oracle under test is made of a strategy, or by a method."""

import pytest

from kerasnas.oracles import Random, RandomOracle
from kerasnas.testing import OracleConformance


def test_an_oracle_must_be_made():
    with pytest.raises(NotImplementedError, match="must define `strategy`, or make_oracle"):
        OracleConformance().make_oracle()


@pytest.mark.parametrize("strategy", [Random, Random()])
def test_a_strategy_is_enough(strategy):
    class Suite(OracleConformance):
        pass

    Suite.strategy = strategy
    oracle = Suite().make_oracle(objective="val_loss", max_trials=7)
    assert (type(oracle.strategy), oracle.max_trials) == (Random, 7)


def test_what_a_method_makes_is_tested():
    class Suite(OracleConformance):
        def make_oracle(self, **kwargs):
            return RandomOracle(**kwargs)

    assert isinstance(Suite().make_oracle(objective="val_loss"), RandomOracle)
