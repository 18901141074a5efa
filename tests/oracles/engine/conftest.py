"""An evolution that is left and gone on with, and budgets that settings break."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import EvolutionOracle, genome
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.testing import search
from kerasnas.testing.search import Violation


@pytest.fixture(scope="session")
def evolution():
    """Opens the same search in a folder, new or resumed."""
    return open_evolution


@pytest.fixture(scope="session")
def outcome():
    """A score, or none for one setting of five."""
    return score_or_fail


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, search.run(open_evolution(folder), score_or_fail)


def open_evolution(folder, trials=24, **kwargs):
    oracle = EvolutionOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=trials,
        hyperparameters=search.conditional_space(),
        seed=kwargs.pop("seed", 3),
        max_retries_per_trial=1,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


def score_or_fail(values):
    return None if int(search.score(values) * 1e6) % 5 == 0 else search.score(values)


@pytest.fixture(scope="session")
def counted():
    """The class of a made-up budget."""
    return Counted


@pytest.fixture(scope="session")
def filter_of():
    """Makes a filter with a gate."""

    def make(gate):
        proposal_filter = ProposalFilter()
        proposal_filter.attach(gate, None)
        return proposal_filter

    return make


@pytest.fixture(scope="session")
def broken():
    """Draws a setting that breaks a counted budget; None where 200 draws give none."""

    def draw(space, gate, rng):
        drawn = (genome.sample(space, rng) for _ in range(200))
        return next((values for values in drawn if not gate.fits(values)), None)

    return draw


class Counted:
    """A made-up cost, the sum of the values' worths, under a limit; counts what it is asked."""

    def __init__(self, space, share):
        rng = np.random.default_rng(0)
        costs = [search.score(genome.sample(space, rng)) for _ in range(300)]
        self.limit = float(np.quantile(costs, share))
        self.asked = 0

    def __call__(self, values):
        self.asked += 1
        return {} if self.fits(values) else {"flash": Violation(search.score(values), self.limit)}

    def fits(self, values):
        return search.score(values) <= self.limit
