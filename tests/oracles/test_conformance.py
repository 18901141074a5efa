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


class TestGrowingGreedy(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.GreedyOracle(grow=True, **kwargs)


class TestLocalSearch(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.LocalSearchOracle(**kwargs)


class TestSimulatedAnnealing(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.SimulatedAnnealingOracle(**kwargs)


class TestCrossEntropy(OracleConformance):
    has_parents = False

    def make_oracle(self, **kwargs):
        return oracles.CrossEntropyOracle(**kwargs)


class TestNSGA2(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.NSGA2Oracle(**kwargs)


class TestHyperband(OracleConformance):
    # Its strength is in the epochs that it saves, which this suite does not spend.
    searches = False

    def make_oracle(self, **kwargs):
        rounds = {"max_epochs": 8, "factor": 2, "min_epochs": 1, "hyperband_iterations": None}
        return oracles.HyperbandOracle(**rounds, **kwargs)


class TestGuidedHyperband(OracleConformance):
    searches = False

    def make_oracle(self, **kwargs):
        rounds = {"max_epochs": 8, "factor": 2, "min_epochs": 1, "hyperband_iterations": None}
        return oracles.HyperbandOracle(**rounds, searcher="evolution", **kwargs)


class TestASHA(OracleConformance):
    needs_kerasnas = "Use it with kerasnas.Tuner"

    def make_oracle(self, **kwargs):
        return oracles.ASHAOracle(max_epochs=9, searcher="evolution", **kwargs)


class TestPredictor(OracleConformance):
    def make_oracle(self, **kwargs):
        return oracles.PredictorOracle(**kwargs)
