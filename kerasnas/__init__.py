"""Neural architecture search for Keras models that must fit a device."""

from kerasnas import compression, export, hardware, hypermodels, oracles, tuners
from kerasnas._version import __version__
from kerasnas.compression import Prune, Quantize, compress
from kerasnas.hardware import Budget, profile
from kerasnas.hypermodels import CellHyperModel, HyperModel, LayerwiseHyperModel
from kerasnas.tuners import Evolution, Greedy, Hyperband, Tuner

__all__ = [
    "Budget",
    "CellHyperModel",
    "Evolution",
    "Greedy",
    "HyperModel",
    "Hyperband",
    "LayerwiseHyperModel",
    "Prune",
    "Quantize",
    "Tuner",
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
