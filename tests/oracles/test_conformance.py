"""All our strategies pass the suite that we offer to others."""

from kerasnas import oracles
from kerasnas.testing import OracleConformance


class TestRandom(OracleConformance):
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return oracles.RandomOracle(**kwargs)


class TestEvolution(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.EvolutionOracle(**kwargs)


class TestGreedy(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.GreedyOracle(**kwargs)


class TestHyperband(OracleConformance):
    # Its strength is in the epochs that it saves, which this suite does not spend.
    searches = False

    def make_oracle(self, **kwargs):
        return oracles.HyperbandOracle(max_epochs=8, factor=2, hyperband_iterations=None, **kwargs)
