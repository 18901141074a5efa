"""All our strategies pass the suite that we offer to others."""

from kerasnas import oracles
from kerasnas.testing import OracleConformance


class TestRandom(OracleConformance):
    strategy = oracles.Random
    searches = False
    has_parents = False


class TestEvolution(OracleConformance):
    strategy = oracles.Evolution


class TestGreedy(OracleConformance):
    strategy = oracles.Greedy


class TestGrowingGreedy(OracleConformance):
    strategy = oracles.Greedy(grow=True)


class TestLocalSearch(OracleConformance):
    strategy = oracles.LocalSearch


class TestSimulatedAnnealing(OracleConformance):
    strategy = oracles.SimulatedAnnealing


class TestCrossEntropy(OracleConformance):
    strategy = oracles.CrossEntropy
    has_parents = False


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
        rounds = oracles.Hyperband(8, factor=2, min_epochs=1, hyperband_iterations=None)
        return oracles.Oracle(oracles.Evolution(), fidelity=rounds, **kwargs)


class TestASHA(OracleConformance):
    needs_kerasnas = "Use it with kerasnas.Tuner"

    def make_oracle(self, **kwargs):
        return oracles.ASHAOracle(max_epochs=9, searcher="evolution", **kwargs)


class TestPredictor(OracleConformance):
    strategy = oracles.Predictor
