"""Neural architecture search for Keras models that must fit a device."""

from kerasnas import compression, export, hardware, hypermodels, oracles, report, tuners
from kerasnas._version import __version__
from kerasnas.compression import Prune, Quantize, compress
from kerasnas.hardware import Budget, profile
from kerasnas.hypermodels import (
    CellHyperModel,
    GraphHyperModel,
    HyperModel,
    LayerwiseHyperModel,
)
from kerasnas.tuners import (
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
    Tuner,
    WarmStart,
)

__all__ = [
    "ASHA",
    "NEAT",
    "NSGA2",
    "Bayesian",
    "Budget",
    "CellHyperModel",
    "CrossEntropy",
    "Evolution",
    "GraphHyperModel",
    "Greedy",
    "Grid",
    "HyperModel",
    "Hyperband",
    "LayerwiseHyperModel",
    "LocalSearch",
    "Optuna",
    "Predictor",
    "Prune",
    "Quantize",
    "Random",
    "SimulatedAnnealing",
    "Tuner",
    "WarmStart",
    "__version__",
    "compress",
    "compression",
    "export",
    "hardware",
    "hypermodels",
    "oracles",
    "profile",
    "report",
    "tuners",
]
