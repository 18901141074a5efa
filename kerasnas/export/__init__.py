"""How a model leaves: TensorFlow Lite conversion, and the interpreter that verifies the file."""

from kerasnas.export.conversion import to_tflite
from kerasnas.export.interpreter import Interpreter

__all__ = ["Interpreter", "to_tflite"]
