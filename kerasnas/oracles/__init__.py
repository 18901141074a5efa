"""What to try next: one strategy a file, each a `keras_tuner.Oracle` that works in any tuner."""

from kerasnas.oracles.base import Oracle
from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.oracles.greedy import GreedyOracle
from kerasnas.oracles.hyperband import HyperbandOracle
from kerasnas.oracles.proposal import Proposal
from kerasnas.oracles.random import RandomOracle

__all__ = [
    "EvolutionOracle",
    "GreedyOracle",
    "HyperbandOracle",
    "Oracle",
    "Proposal",
    "RandomOracle",
]
