"""Keras 3 to tf_keras: what TensorFlow Model Optimization and the converter can take."""

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
