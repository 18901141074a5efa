"""Neural architecture search for Keras models that must fit a device."""

from kerasnas import hardware, hypermodels
from kerasnas._version import __version__
from kerasnas.hardware import Budget, profile
from kerasnas.hypermodels import CellHyperModel, HyperModel, LayerwiseHyperModel

__all__ = [
    "Budget",
    "CellHyperModel",
    "HyperModel",
    "LayerwiseHyperModel",
    "__version__",
    "hardware",
    "hypermodels",
    "profile",
]
