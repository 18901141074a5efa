"""How a trial is run, and the searches that run them."""

from kerasnas.tuners.base import Tuner
from kerasnas.tuners.strategies import (
    ASHA,
    NEAT,
    NSGA2,
    CrossEntropy,
    Evolution,
    Greedy,
    Hyperband,
    LocalSearch,
    Predictor,
    Random,
    SimulatedAnnealing,
)
from kerasnas.tuners.warm_start import WarmStart

__all__ = [
    "ASHA",
    "NEAT",
    "NSGA2",
    "CrossEntropy",
    "Evolution",
    "Greedy",
    "Hyperband",
    "LocalSearch",
    "Predictor",
    "Random",
    "SimulatedAnnealing",
    "Tuner",
    "WarmStart",
]
