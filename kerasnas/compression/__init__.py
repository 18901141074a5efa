"""How a model is made small: the bridge to tf_keras, then steps that each report what they did."""

from kerasnas.compression.bridge import to_tf_keras

__all__ = ["to_tf_keras"]
