"""What can be built: operations by name, layer-level, cell-level and free-topology spaces."""

from kerasnas.hypermodels import layers, operations
from kerasnas.hypermodels.block import Block
from kerasnas.hypermodels.cell import NAS_BENCH_201, CellHyperModel
from kerasnas.hypermodels.declaring import NotSymbolicError
from kerasnas.hypermodels.graph import GraphHyperModel
from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.hypermodels.hyperparameters import FixedHyperParameters, scope
from kerasnas.hypermodels.layerwise import LayerwiseHyperModel
from kerasnas.hypermodels.operations import operation
from kerasnas.hypermodels.training import Training

__all__ = [
    "NAS_BENCH_201",
    "Block",
    "CellHyperModel",
    "FixedHyperParameters",
    "GraphHyperModel",
    "HyperModel",
    "LayerwiseHyperModel",
    "NotSymbolicError",
    "Training",
    "layers",
    "operation",
    "operations",
    "scope",
]
