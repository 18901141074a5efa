"""How a model is made small: the bridge to tf_keras, then steps that each report what they did."""

from kerasnas.bridge import to_tf_keras
from kerasnas.compression.auto import Auto
from kerasnas.compression.cluster import Cluster
from kerasnas.compression.compressed import Compressed, ToleranceError
from kerasnas.compression.distill import Distill
from kerasnas.compression.prune import Prune
from kerasnas.compression.quantize import Quantize
from kerasnas.compression.recipe import compress
from kerasnas.compression.step import BridgedStep, KerasStep, Step
from kerasnas.compression.structured import PruneStructured, prune_channels

__all__ = [
    "Auto",
    "BridgedStep",
    "Cluster",
    "Compressed",
    "Distill",
    "KerasStep",
    "Prune",
    "PruneStructured",
    "Quantize",
    "Step",
    "ToleranceError",
    "compress",
    "prune_channels",
    "to_tf_keras",
]
