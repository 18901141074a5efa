"""How a trial is run, and the searches that run them."""

from kerasnas.tuners.base import Tuner
from kerasnas.tuners.strategies import (
    ASHA,
    NEAT,
    NSGA2,
    Bayesian,
    CrossEntropy,
    Evolution,
    Greedy,
    Grid,
    Hyperband,
    LocalSearch,
    Optuna,
    Predictor,
    Random,
    SimulatedAnnealing,
)
from kerasnas.tuners.warm_start import WarmStart

__all__ = [
    "ASHA",
    "NEAT",
    "NSGA2",
    "Bayesian",
    "CrossEntropy",
    "Evolution",
    "Greedy",
    "Grid",
    "Hyperband",
    "LocalSearch",
    "Optuna",
    "Predictor",
    "Random",
    "SimulatedAnnealing",
    "Tuner",
    "WarmStart",
]
