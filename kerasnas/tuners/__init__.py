"""How a trial is run, and the searches that run them; KerasTuner's names of ours too."""

from keras_tuner import SklearnTuner

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

# KerasTuner's names, so that its scripts run.
BayesianOptimization = Bayesian
GridSearch = Grid
RandomSearch = Random

__all__ = [
    "ASHA",
    "NEAT",
    "NSGA2",
    "Bayesian",
    "BayesianOptimization",
    "CrossEntropy",
    "Evolution",
    "Greedy",
    "Grid",
    "GridSearch",
    "Hyperband",
    "LocalSearch",
    "Optuna",
    "Predictor",
    "Random",
    "RandomSearch",
    "SimulatedAnnealing",
    "SklearnTuner",
    "Tuner",
    "WarmStart",
]
