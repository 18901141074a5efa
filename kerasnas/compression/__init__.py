"""How a model is made small: the bridge to tf_keras, then steps that each report what they did."""

from kerasnas.compression.bridge import to_tf_keras
from kerasnas.compression.prune import Prune
from kerasnas.compression.quantize import Quantize
from kerasnas.compression.recipe import Compressed, ToleranceError, compress

__all__ = ["Compressed", "Prune", "Quantize", "ToleranceError", "compress", "to_tf_keras"]
