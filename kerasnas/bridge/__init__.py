"""Rebuilds Keras 3 models in tf_keras, for TensorFlow Model Optimization and the converter."""

from kerasnas.bridge.build import build, expected, rebuild, to_tf_keras, verify
from kerasnas.bridge.canonical import canonical, measurable, without_penalties
from kerasnas.bridge.graph import read

__all__ = [
    "build",
    "canonical",
    "expected",
    "measurable",
    "read",
    "rebuild",
    "to_tf_keras",
    "verify",
    "without_penalties",
]
