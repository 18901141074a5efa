"""How a model leaves: TensorFlow Lite conversion, and the interpreter that verifies the file."""

from kerasnas.export.c_array import c_array
from kerasnas.export.conversion import to_tflite
from kerasnas.export.interpreter import Interpreter
from kerasnas.export.metadata import Metadata, TensorInfo, add_metadata, read_metadata
from kerasnas.export.verification import Verification, verify

__all__ = [
    "Interpreter",
    "Metadata",
    "TensorInfo",
    "Verification",
    "add_metadata",
    "c_array",
    "read_metadata",
    "to_tflite",
    "verify",
]
