"""What to try next: one strategy a file, each a `keras_tuner.Oracle` that works in any tuner."""

from kerasnas.oracles import proxies
from kerasnas.oracles.asha import ASHAOracle
from kerasnas.oracles.base import Oracle
from kerasnas.oracles.bayesian import BayesianOracle
from kerasnas.oracles.cross_entropy import CrossEntropyOracle
from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.oracles.greedy import GreedyOracle
from kerasnas.oracles.grid import GridOracle
from kerasnas.oracles.hyperband import HyperbandOracle
from kerasnas.oracles.local_search import LocalSearchOracle
from kerasnas.oracles.neat import NEATOracle
from kerasnas.oracles.nsga2 import NSGA2Oracle
from kerasnas.oracles.optuna import OptunaOracle
from kerasnas.oracles.predictor import PredictorOracle
from kerasnas.oracles.proposal import Proposal
from kerasnas.oracles.random import RandomOracle
from kerasnas.oracles.registry import make
from kerasnas.oracles.simulated_annealing import SimulatedAnnealingOracle

# KerasTuner's names, so that its scripts run.
BayesianOptimizationOracle = BayesianOracle
GridSearchOracle = GridOracle
RandomSearchOracle = RandomOracle

__all__ = [
    "ASHAOracle",
    "BayesianOptimizationOracle",
    "BayesianOracle",
    "CrossEntropyOracle",
    "EvolutionOracle",
    "GreedyOracle",
    "GridOracle",
    "GridSearchOracle",
    "HyperbandOracle",
    "LocalSearchOracle",
    "NEATOracle",
    "NSGA2Oracle",
    "OptunaOracle",
    "Oracle",
    "PredictorOracle",
    "Proposal",
    "RandomOracle",
    "RandomSearchOracle",
    "SimulatedAnnealingOracle",
    "make",
    "proxies",
]
