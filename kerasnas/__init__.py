"""Neural architecture search for Keras models that must fit a device."""

from kerasnas import compression, export, hardware, hypermodels, oracles, tuners
from kerasnas._version import __version__
from kerasnas.compression import Prune, Quantize, compress
from kerasnas.hardware import Budget, profile
from kerasnas.hypermodels import CellHyperModel, HyperModel, LayerwiseHyperModel
from kerasnas.tuners import (
    ASHA,
    NSGA2,
    CrossEntropy,
    Evolution,
    Greedy,
    Hyperband,
    LocalSearch,
    Predictor,
    Random,
    SimulatedAnnealing,
    Tuner,
    WarmStart,
)

__all__ = [
    "ASHA",
    "NSGA2",
    "Budget",
    "CellHyperModel",
    "CrossEntropy",
    "Evolution",
    "Greedy",
    "HyperModel",
    "Hyperband",
    "LayerwiseHyperModel",
    "LocalSearch",
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
    "tuners",
]
