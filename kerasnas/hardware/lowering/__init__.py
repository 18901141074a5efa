"""From the layers of a network to the operators of its `.tflite` file."""

from kerasnas.hardware.lowering import activations, attention, normalizations, operations, rules  # noqa: F401  They register the rules.
from kerasnas.hardware.lowering.lowering import lower
from kerasnas.hardware.lowering.program import KERNEL_OPERATORS, Constant, Operator, Program

__all__ = ["KERNEL_OPERATORS", "Constant", "Operator", "Program", "lower"]
